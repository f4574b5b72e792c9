#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 700
# A node keeps what it fetched on a disk of its own, rd.hydroot.store=PARTLABEL=NAME: the next boot fetches little but the
# chunks that were written to, and has the image again, not what the last boot made of it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd sfdisk
tests/image.sh all
start_nginx web "$IMAGES/served/good"
image_bytes=$(cat "$IMAGES/served/bytes")

truncate -s 4G "$T/disk"
sfdisk -q "$T/disk" <<END
label: gpt
size=1GiB, name=other
name=hydroot-cache
END

boot() # NAME
{
	start_guest "$1" "$IMAGES/boot/initramfs.img" \
		"rw $GUEST_IP rd.hydroot.store=PARTLABEL=hydroot-cache root=hydroot:http://$GUEST_HOST:${nginx_port[web]}/debian.hri" \
		-drive "file=$T/disk,if=virtio,format=raw,cache=writeback"
	wait_login "$1"
	wait_agent "$1"
	note "$1: login"
	wait_resident "$1"
	assert_equal "$1: the store" disk "$(guest_status "$1" .store.kind)"
	guest_status "$1" '.fetched | .demand_bytes + .ahead_bytes + .hot_bytes + .fill_bytes' >"$T/$1.fetched"
	note "$1: resident, fetched $(cat "$T/$1.fetched") bytes"
}

boot first
assert "the first boot fetched the image" test "$(cat "$T/first.fetched")" -gt $((image_bytes / 2))
guest first 60 'echo changed >/etc/hostname && head -c 3000000 /dev/urandom >/var/tmp/junk && sync'
end_guest first

boot second
assert_below "bytes that the second boot fetched" $((image_bytes / 3)) "$(cat "$T/second.fetched")"
guest second 10 'cat /run/hydroot/root/log' >"$T/log"
assert_contains "the log" 'store .*: [0-9]* of [0-9]* chunks of this image are there' "$T/log"
note "$(grep -o 'store .* are there' "$T/log")"
refute "a file of the first boot is there" guest second 10 'test -e /var/tmp/junk'
stop_nginx web
assert_manifest second
note "all files of the image are right, the server has been stopped"
end_guest second
