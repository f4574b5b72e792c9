#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2400
# hydroot-dracut, installed by apt in a tree of Debian 12 that has dracut and nothing more: what it depends on is enough for
# dpkg's trigger to make an initramfs that boots root=hydroot:URL to login and residence; a purge makes one without it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/debs.sh
. "$TOP/tests/debs.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap dpkg-buildpackage dh

install_tree()
{
	local options=() line
	apt_sources >"$T/sources" || fail "apt knows no $suite archive: put one into /etc/apt/sources.list"
	while read -r line; do
		options+=("--aptopt=$line")
	done < <(apt_options)
	mmdebstrap --mode=root --variant=minbase --include=systemd-sysv,udev,linux-image-cloud-amd64,dracut,zstd \
		"${options[@]}" --aptopt='Acquire::Languages "none"' "$suite" "$T/tree" "$T/sources" \
		>"$T/mmdebstrap.log" 2>&1 || fail mmdebstrap
}

tests/image.sh all
make_debs
note "Debian packages are built"

evidence+=("$T/mmdebstrap.log")
install_tree
install_in "$T/tree" hydroot hydroot-dracut
assert_triggered "$T/tree" lsinitrd
[ "$initrd" = "boot/initrd.img-$(cat "$IMAGES/base/kernel")" ] ||
	fail "the image has another kernel than $initrd: remove build/images/ and begin anew"
# The tool that the tests ask, as in the other boots.
mkdir -p "$T/extra/etc/hydroot/hooks.d"
cp tests/boot/tools.hook "$T/extra/etc/hydroot/hooks.d/tools"
initramfs_with "$T/initrd" "$T/extra" "$T/tree/$initrd"
assert_purged "$T/tree" lsinitrd hydroot-dracut hydroot

# shellcheck disable=SC2034 # read by start_guest
GUEST_MEMORY=1536
start_nginx web "$IMAGES/served/good"
start_guest g "$T/initrd" "rw ip=dhcp root=hydroot:http://$GUEST_HOST:${nginx_port[web]}/debian.hri"
wait_login g
wait_agent g
note "login"
wait_resident g 6
stop_nginx web
assert_root_is_plain g
note "resident"
assert_manifest g
end_guest g
