#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2400
# The Debian packages as an admin meets them: apt installs them, with what they depend on, in a tree of Debian 12; dpkg's
# trigger makes an initramfs that boots root=hydroot:URL to login and residence.  An edited hydroot.conf survives an upgrade.
# They can be purged, also on a node whose root still comes over the network, and leave nothing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/debs.sh
. "$TOP/tests/debs.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap dpkg-buildpackage dh

# A newer package with another example; and this one again, for which dpkg has nothing to ask.
upgrade() # TREE
{
	in_tree "$1" sh -c 'dpkg --no-triggers -i /var/tmp/hydroot_*.deb' || return
	dpkg-deb -R "$debs"/hydroot_*.deb "$T/newer"
	sed -i 's/^Version: .*/&+1/' "$T/newer/DEBIAN/control"
	echo '# Another example.' >>"$T/newer/etc/hydroot/hydroot.conf"
	dpkg-deb --root-owner-group -b "$T/newer" "$1/var/tmp/newer.deb" || return
	in_tree "$1" dpkg --force-confold -i /var/tmp/newer.deb
}

# All of the image but the packages and dpkg's own files, which are read from the device anew.
assert_rest_of_manifest()
{
	guest g 400 'sync; echo 3 >/proc/sys/vm/drop_caches; cd /
		awk "NR == FNR { gone[\".\" \$0]; next } !(substr(\$0, 67) in gone) && \
			!/ .\/(var\/lib\/(dpkg|apt)\/|etc\/(initramfs-tools\/|ld.so.cache))/" /run/purged /usr/local/lib/hydroot-test/manifest >/run/rest
		[ "$(wc -l </run/rest)" -gt 1000 ] && /usr/bin/sha256sum -c --quiet /run/rest' >"$T/rest" 2>&1 ||
		fail "files differ: $(head -n 20 "$T/rest")"
}

purge_in_guest()
{
	# An emulator would make an initramfs for minutes, and this node has one from elsewhere.
	guest g 300 'PATH=/usr/sbin:/usr/bin
		sed -i "s/^update_initramfs=.*/update_initramfs=no/" /etc/initramfs-tools/update-initramfs.conf
		/usr/bin/dpkg -L hydroot hydroot-initramfs >/run/purged
		cp /usr/sbin/hydroot /root/tool
		/usr/bin/dpkg --purge hydroot-initramfs hydroot' >"$T/purge.log" 2>&1 || fail "dpkg --purge: $(cat "$T/purge.log")"
	guest g 300 'find /etc /usr /var -xdev -name "*hydroot*"' >"$T/left" || fail "find in the guest"
	assert_nothing_named "guest g" "$T/left"
}

# --- the tree -------------------------------------------------------------------------------------

tests/image.sh base
make_debs
note "Debian packages are built"
# The root of the boot tests, with its initramfs again.
cp "$IMAGES/base/rootfs.ext4" "$T/fs"
mkdir "$T/tree" "$T/served"
mount_tree() { mount -o loop "$T/fs" "$T/tree"; }
defer umount "$T/tree"
mount_tree
cp "$IMAGES/base/initrd.debian" "$T/tree/boot/initrd.img-$(cat "$IMAGES/base/kernel")"
install_in "$T/tree" hydroot hydroot-initramfs
assert_triggered "$T/tree" lsinitramfs
echo fill=manual >>"$T/tree/etc/hydroot/hydroot.conf"
cp "$T/tree/etc/hydroot/hydroot.conf" "$T/edited.conf"
upgrade "$T/tree" >"$T/upgrade.log" 2>&1 || fail "upgrade: $(cat "$T/upgrade.log")"
assert "an edited hydroot.conf after an upgrade" cmp "$T/edited.conf" "$T/tree/etc/hydroot/hydroot.conf"
in_tree "$T/tree" unmkinitramfs "/$initrd" /var/tmp/unpacked
assert "the edited hydroot.conf in the initramfs" cmp "$T/edited.conf" \
	"$(find "$T/tree/var/tmp/unpacked" -path '*/etc/hydroot/hydroot.conf')"
rm -r "$T/tree/var/tmp/unpacked"
note "upgraded"
cp "$T/tree/$initrd" "$T/initrd"
rm "$T/tree"/var/tmp/*
umount "$T/tree"
hydroot-image build "$T/fs" "$T/served/debian.hri"
mount_tree
assert_purged "$T/tree" lsinitramfs hydroot-initramfs hydroot
umount "$T/tree"
rm "$T/fs"

# --- a boot ---------------------------------------------------------------------------------------

# shellcheck disable=SC2034 # read by start_guest
GUEST_MEMORY=1536
start_nginx web "$T/served"
start_hydroot_guest g "$T/initrd" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri"
wait_login g
wait_agent g
note "login"
assert_equal "state, by what hydroot.conf says" paused "$(guest g 60 'hydroot status root --json' | jq -r .state)"
purge_in_guest
assert_equal "state after a purge" paused "$(guest g 60 '/root/tool status root --json' | jq -r .state)"
note "purged from a node whose root comes over the network"
guest g 60 '/root/tool resume root' || fail "the fill does not start"
guest g 400 '/root/tool wait root --for=resident --timeout=6m' || fail "not resident in six minutes"
stop_nginx web
assert_root_is_plain g
note "resident"
assert_rest_of_manifest
end_guest g
