#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# An XFS root, written in place while it is filled, with discard: resident, server gone, all files right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mkfs.xfs
grep -qw xfs /proc/filesystems || skip "this kernel has no XFS to make the image with"
tests/image.sh xfs
start_nginx web "$IMAGES/xfs"

start_hydroot_guest g "$IMAGES/boot/initramfs.img" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri" \
	rd.hydroot.rate=4M
wait_login g
note "login"
wait_agent g
assert_equal "the filesystem of /" xfs "$(guest g 60 'findmnt -no FSTYPE /')"
guest g 60 'findmnt -no OPTIONS / | grep -qw discard' || fail "XFS is mounted without discard"
start_workload g
wait_resident g 2
stop_nginx web
note "resident, server stopped"
stop_workload g
assert_workload g
assert_manifest g
end_guest g
