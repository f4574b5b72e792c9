# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# base.sh - the Debian root filesystem of the test image; sourced by tests/image.sh
#
# The image is cached by a hash of this folder: whatever decides what is in it belongs here.
# Needs $work, the folder that is being made, say and die; $suite may say which Debian.
# shellcheck disable=SC2154

suite=${suite:-bookworm}
size=2G

# The deb lines of SUITE in the machine's own Debian archives, as apt itself understands them.
apt_lines()
{
	apt-get indextargets --format \
		'$(ORIGIN)|$(CODENAME)|deb [signed-by=KEYS] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null | sed -n "s/^Debian|$1[^|]*|//p" |
		sed "s|KEYS|/usr/share/keyrings/debian-archive-keyring.gpg|" | sort -u
}

# Another Debian than the machine's own lies in the same archives.
apt_sources()
{
	local lines own
	lines=$(apt_lines "$suite")
	if [ -z "$lines" ]; then
		own=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
		lines=$(apt_lines "$own" | sed "s/ $own/ $suite/")
	fi
	[ -n "$lines" ] || return 1
	echo "$lines"
}

# What apt was told about proxies, certificates and snapshot archives.
apt_options()
{
	apt-config dump | sed -n 's/^\(Acquire::\(http\|https\|Check\)[^ ]* .*;\)$/\1/p'
}

settle_root() # TREE: the state that a freshly installed node has after its first boot
{
	local root=$1
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/etc/apt/sources.list \
		"$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap \
		"$root"/var/log/*.log "$root"/var/log/apt
	echo hydroot-test >"$root/etc/hostname"
	printf '127.0.0.1 localhost hydroot-test\n' >"$root/etc/hosts"
	echo 00000000000000000000000000000042 >"$root/etc/machine-id"
	: >"$root/etc/fstab"
	: >"$root/etc/resolv.conf"
	sed -i 's/^root:[^:]*:/root::/' "$root/etc/passwd"
	# Nothing in the background that would read and write when it likes.
	rm -f "$root"/etc/systemd/system/timers.target.wants/*
	mkdir -p "$root/usr/local/lib/hydroot-test"
	install -m 755 build/tests/io tests/image/agent.sh "$root/usr/local/lib/hydroot-test/"
	install -m 644 tests/image/hydroot-agent.service "$root/etc/systemd/system/"
	ln -s ../hydroot-agent.service \
		"$root/etc/systemd/system/multi-user.target.wants/hydroot-agent.service"
	add_attributes "$root/usr/local/lib/hydroot-test"
}

# Files with all that a file can have beside its content, to see what of it arrives in a root.
add_attributes() # DIR
{
	local dir=$1/attributes file
	install -m 755 tests/image/attributes.sh "$1/"
	mkdir -p "$dir"
	for file in capable labelled listed named owned; do
		echo "$file" >"$dir/$file"
		chmod 644 "$dir/$file"
	done
	setcap cap_net_raw,cap_net_admin+ep "$dir/capable"
	setfattr -n security.selinux -v system_u:object_r:shadow_t:s0 "$dir/labelled"
	setfacl -m u:1234:r,g:5678:rw "$dir/listed"
	setfattr -n user.hydroot.test -v 'a value' "$dir/named"
	chown 1234:5678 "$dir/owned"
	chmod 6751 "$dir/owned"
	mkfifo -m 620 "$dir/pipe"
	mknod -m 640 "$dir/null" c 1 3
	chown 0:5 "$dir/null"
	ln -sfn attributes/owned "$1/link"
	ln -f "$dir/named" "$dir/named-too"
	setfattr -n trusted.hydroot.test -v trusted "$dir"
	chmod 3775 "$dir"
}

# SHA-256 of every file that a boot leaves alone.  Also kept inside the image.
write_manifest() # TREE OUTPUT
{
	(cd "$1" && find . -xdev -type f ! -path './var/log/*' ! -path './var/lib/systemd/*' \
		! -path './etc/resolv.conf' ! -path './var/cache/*' ! -path './etc/passwd*' \
		! -path './var/lib/dbus/*' -print0 |
		LC_ALL=C sort -z | xargs -0 sha256sum) >"$2"
	install -m 644 "$2" "$1/usr/local/lib/hydroot-test/manifest"
	chroot "$1" sh /usr/local/lib/hydroot-test/attributes.sh >"$work/attributes"
	grep -q shadow_t "$work/attributes" || die "the attributes of files cannot be listed"
}

install_root() # TREE; more_packages: besides those of the list
{
	local packages options=()
	packages=$(sed 's/#.*//' tests/image/packages | xargs | tr ' ' ,)${more_packages:+,$more_packages}
	apt_sources >"$work/sources" || { apt-get -q update >&2 && apt_sources >"$work/sources"; } ||
		die "apt knows no $suite archive: put one into /etc/apt/sources.list"
	while read -r line; do
		options+=("--aptopt=$line")
	done < <(apt_options)
	say "installing Debian ($packages)"
	mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" "${options[@]}" \
		--aptopt='Acquire::Languages "none"' "$suite" "$1" "$work/sources" \
		>"$work/mmdebstrap.log" 2>&1 ||
		{ tail -n 30 "$work/mmdebstrap.log" >&2; die "mmdebstrap failed"; }
}

make_base()
{
	local root=$work/root version
	[ "$(id -u)" = 0 ] || die "needs root, for mmdebstrap"
	install_root "$root"
	settle_root "$root"
	version=$(basename "$root"/boot/vmlinuz-*) && version=${version#vmlinuz-}
	echo "$version" >"$work/kernel"
	cp "$root/boot/vmlinuz-$version" "$work/vmlinuz"
	mv "$root/boot/initrd.img-$version" "$work/initrd.debian"
	rm -f "$root"/initrd.img* "$root"/vmlinuz*
	mkdir -p "$work/tree/lib/modules"
	cp -a "$root/usr/lib/modules/$version" "$work/tree/lib/modules/"
	write_manifest "$root" "$work/manifest"
	say "making the filesystem"
	mke2fs -q -t ext4 -b 4096 -L hydroot-test -E lazy_itable_init=0,lazy_journal_init=0 \
		-d "$root" "$work/rootfs.ext4" "$size" >"$work/mke2fs.log"
	rm -rf "$root" "$work/sources"
}
