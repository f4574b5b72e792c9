#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# distro.sh - makes an initramfs with a distribution's own builder, for the boot tests
#
#	tests/distro.sh SUITE BUILDER [VARIANT]
#
# SUITE: bookworm; BUILDER: initramfs-tools, dracut.  VARIANT of dracut: systemd (default), shell.
# A tree of the distribution is made once; in a copy of it hydroot is installed by `make install` and
# the builder's own command is run, once with and once without hydroot.  Left in
# build/images/SUITE-BUILDER[-VARIANT]/: initrd.img, initrd.without, sizes (what hydroot adds).
# The kernel must be that of the base image.

set -euo pipefail
cd "$(dirname "$0")/.."
: "${BUILD:=build}" "${IMAGES:=build/images}"
. tests/image/base.sh

say() { echo "distro: $*" >&2; }
die() { say "$*"; exit 1; }
key_of() { cat -- "$@" | sha256sum | cut -c1-16; }

suite=$1 builder=$2 variant=${3-}
name=$suite-$builder${variant:+-$variant}

# What hydrootd is linked with, and the kernel of the base image.
packages()
{
	echo libfuse3-3 libcurl4 libseccomp2 libdevmapper1.02.1 libaio1 libjansson4 libblkid1 \
		libssl3 libzstd1 ca-certificates kmod zstd udev linux-image-cloud-amd64
	case $builder in
	initramfs-tools) echo initramfs-tools busybox ;;
	dracut)
		echo dracut dracut-network isc-dhcp-client systemd-sysv dbus iputils-arping \
			iproute2
		;;
	esac
}

make_tree()
{
	local options=() line
	[ "$(id -u)" = 0 ] || die "needs root, for mmdebstrap"
	apt_sources >"$work/sources" || { apt-get -q update >&2 && apt_sources >"$work/sources"; } ||
		die "apt knows no $suite archive: put one into /etc/apt/sources.list"
	while read -r line; do
		options+=("--aptopt=$line")
	done < <(apt_options)
	say "installing $suite with $builder"
	mmdebstrap --quiet --mode=root --variant=minbase \
		--include="$(packages | xargs | tr ' ' ,)" "${options[@]}" \
		--aptopt='Acquire::Languages "none"' "$suite" "$work/root" "$work/sources" \
		>"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; die "mmdebstrap failed"; }
}

# Hooks of an admin: the control tool is kept for the agent.
add_test_hook()
{
	local dir
	case $builder in
	initramfs-tools)
		dir=$root/etc/initramfs-tools/scripts/hydroot-bottom
		mkdir -p "$dir"
		{
			echo '#!/bin/sh'
			echo "[ \"\${1-}\" != prereqs ] || exit 0"
			echo stage=pre-switch
			cat tests/boot/tools.hook
		} >"$dir/tools"
		chmod 755 "$dir/tools"
		;;
	dracut)
		mkdir -p "$root/etc/dracut.conf.d"
		install -D -m 644 tests/boot/tools.hook "$root/usr/local/lib/tools.hook"
		echo "install_items+=\" /usr/local/lib/tools.hook /usr/bin/find \"" \
			>"$root/etc/dracut.conf.d/tools.conf"
		;;
	esac
}

# In the tree, as root there: the builder's own command.
build_initramfs() # OUTPUT [OPTION...]
{
	local output=$1 version
	shift
	version=$(cat "$IMAGES/base/kernel")
	[ -d "$root/lib/modules/$version" ] ||
		die "$suite has another kernel than $version: remove build/images/ and begin anew"
	mount --bind /proc "$root/proc"
	mount --bind /dev "$root/dev"
	case $builder in
	initramfs-tools)
		chroot "$root" update-initramfs -u -k "$version" >"$work/build.log" 2>&1
		;;
	dracut)
		chroot "$root" dracut --force --no-hostonly "$@" "/boot/initrd.img-$version" \
			"$version" >"$work/build.log" 2>&1
		;;
	esac || { tail -n 30 "$work/build.log" >&2; die "$builder failed"; }
	umount "$root/proc" "$root/dev"
	cp "$root/boot/initrd.img-$version" "$output"
}

list() # INITRD: bytes and names of its files
{
	local dir=$work/unpacked
	rm -rf "$dir" && mkdir "$dir"
	if zstd -qt "$1" 2>/dev/null; then zstd -dcq "$1"; else gzip -dc "$1"; fi >"$work/cpio"
	(cd "$dir" && cpio -idm --quiet --no-absolute-filenames <"$work/cpio")
	(cd "$dir" && find . -type f -links 1 -printf '%s %P\n')
	rm -rf "$dir" "$work/cpio"
}

# What hydroot adds, and the largest of it.
compare()
{
	list "$work/initrd.img" | sort -k2 >"$work/with.list"
	list "$work/initrd.without" | sort -k2 >"$work/without.list"
	{
		printf '%s: %d bytes without hydroot, %d with it: %d added (compressed)\n' "$name" \
			"$(stat -c %s "$work/initrd.without")" "$(stat -c %s "$work/initrd.img")" \
			$(($(stat -c %s "$work/initrd.img") - $(stat -c %s "$work/initrd.without")))
		join -v 1 -1 2 -2 2 -o 1.1,1.2 "$work/with.list" "$work/without.list" | sort -rn |
			awk '{ n += $1; if (NR <= 12) printf "%9d  %s\n", $1, $2 }
				END { printf "%9d  in %d files (not compressed)\n", n, NR }'
	} >"$work/sizes"
	rm "$work/with.list" "$work/without.list"
}

make_initramfs()
{
	local options=()
	[ "$variant" != shell ] || options=(--omit "systemd systemd-initrd systemd-networkd dracut-systemd")
	root=$work/root
	say "building an initramfs: $name"
	cp -a "$tree/root" "$root"
	build_initramfs "$work/initrd.without" "${options[@]}"
	${MAKE:-make} -s install "install-$builder" DESTDIR="$root" PREFIX=/usr >&2
	add_test_hook
	[ "$builder" != dracut ] || options+=(--include /usr/local/lib/tools.hook /lib/hydroot/hooks/tools)
	build_initramfs "$work/initrd.img" "${options[@]}"
	compare
	rm -rf "$root"
}

tidy()
{
	[ -z "${root-}" ] || umount "$root/proc" "$root/dev" 2>/dev/null || true
	rm -rf --one-file-system "${work:-$IMAGES/nothing}"
}

once() # FOLDER FUNCTION
{
	[ ! -e "$1/done" ] || return 0
	work=$PWD/$1.new
	rm -rf --one-file-system "$work" "$1"
	mkdir -p "$work"
	"$2"
	touch "$work/done"
	mv "$work" "$1"
}

kept() # LINK FUNCTION FILE...
{
	local link=$1 function=$2 folder other
	shift 2
	folder=$IMAGES/$link-$(key_of "$@")
	once "$folder" "$function"
	for other in "$IMAGES/$link"-????????????????; do
		[ "$other" = "$folder" ] || rm -rf --one-file-system "$other"
	done
	ln -sfn "$(basename "$folder")" "$IMAGES/$link"
}

mkdir -p "$IMAGES"
exec 9>"$IMAGES/lock-distro"
flock 9
trap tidy EXIT
packages >"$IMAGES/packages-$suite-$builder"
tree=$IMAGES/tree-$suite-$builder
kept "tree-$suite-$builder" make_tree "$IMAGES/packages-$suite-$builder" "$IMAGES/base/kernel"
mapfile -t parts < <(find initramfs kmod-hints -type f | sort)
kept "$name" make_initramfs "$tree/root/etc/os-release" "$BUILD/hydrootd" "$BUILD/hydroot" \
	tests/boot/tools.hook tests/distro.sh "${parts[@]}"
cat "$IMAGES/$name/sizes"
