#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# The classic RAM root: mode full, the root copied into a tmpfs, the image given back.  Owners,
# modes, links and capabilities are those of the image, and neither zram nor device-mapper is left.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
start_nginx web "$IMAGES/served/good"
url=http://$GUEST_HOST:${nginx_port[web]}/debian.hri

# shellcheck disable=SC2034 # read by start_guest
GUEST_MEMORY=1536
start_hydroot_guest g "$IMAGES/boot/initramfs.img" "$url" \
	'rd.hydroot.mode=full rd.hydroot.root-in=tmpfs'
wait_console g "$GUEST_BOOT_SECONDS" 'root: copying [0-9]+ MiB into a tmpfs'
wait_console g 120 'root: /dev/hydroot/root is mounted \(tmpfs\)'
stop_nginx web
wait_login g
note "login, server stopped"
wait_agent g
assert_equal "the filesystem of /" tmpfs "$(guest g 60 'findmnt -no FSTYPE /')"
guest g 60 'for s in /sys/block/zram*/disksize; do [ ! -e $s ] || [ $(cat $s) = 0 ] || echo $s; done
	ls -d /sys/block/dm-* 2>/dev/null' >"$T/left" || true
assert_equal "what is left of the image" "" "$(cat "$T/left")"
assert_equal "state" resident "$(guest_status g .state)"
assert_manifest g
note "all files of the image are right"

# What a file has beside its content, against the image itself.
list='find /etc /usr/bin /usr/sbin /usr/lib /var -xdev \( -perm /7000 -o -type l -o ! -user root \) \
	-printf "%p %y %m %U:%G %l\n" | grep -v "^/var/\(log\|lib\|tmp\|cache\)" | sort'
mkdir "$T/tree"
mount -o ro,loop,noload "$IMAGES/base/rootfs.ext4" "$T/tree"
defer umount "$T/tree"
chroot "$T/tree" sh -c "$list" >"$T/want"
guest g 100 "$list" >"$T/got"
assert "there is something to compare" test "$(wc -l <"$T/want")" -gt 100
cmp "$T/want" "$T/got" || fail "properties differ: $(diff "$T/want" "$T/got" | head)"
note "owners, modes and links are right"
guest g 2 'systemctl poweroff' || true
wait_guest_end g 90
