#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# sanitizers: none
# A store on a block device: foreign data is left alone, a device that is too small or in use is refused, a
# partition is found by its label, another image starts afresh.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq mke2fs sfdisk losetup partx blkid hydrootd
host_image
start_nginx web "$served"
url=$(nginx_url web test.hri)

fetched() { status_key "$1" '.fetched | .demand_bytes + .fill_bytes + .hot_bytes'; }
refused() # PATTERN ARGUMENT...: attach fails and says why
{
	local pattern=$1
	shift
	expect_exit 1 timeout 60 hydroot attach --name=storedev "$@"
	timeout 20 hydroot detach storedev >/dev/null 2>&1 || true
	assert_contains "the refusal" "$pattern" "$T/out"
}
fill() # ARGUMENT...
{
	attach storedev "$@"
	expect_exit 0 hydroot wait storedev --for=resident --timeout=90s
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
}

truncate -s 300M "$T/disk"
attach_loop "$T/disk"

note "a filesystem is left alone"
mke2fs -q -t ext4 "$loop"
sum=$(sha256sum <"$T/disk")
refused "other data \\(ext4\\).*store-format" --store="$loop" "$url"
assert_equal "the filesystem" "$sum" "$(sha256sum <"$T/disk")"
mkdir "$T/mnt"
mount "$loop" "$T/mnt"
defer umount "$T/mnt"
refused "in use" --store="$loop" --store-format "$url"
umount "$T/mnt"

note "store-format"
fill --store="$loop" --store-format "$url"
assert_equal "store.kind" disk "$(status_key storedev .store.kind)"
assert_equal "store.device" "$loop" "$(status_key storedev .store.device)"
expect_exit 0 hydroot detach storedev
fill --store="$loop" "$url"
assert_equal "bytes fetched the second time" 0 "$(fetched storedev)"
expect_exit 0 hydroot detach storedev

note "another image"
mkdir "$T/other"
cp --reflink=auto "$raw" "$T/other.ext4"
dd if=/dev/urandom of="$T/other.ext4" bs=4096 count=1 seek=30000 conv=notrunc status=none
"$TOP/build/hydroot-image" build "$T/other.ext4" "$T/other/test.hri" >/dev/null
start_nginx other "$T/other"
attach storedev --store="$loop" "$(nginx_url other test.hri)"
assert_contains "it is said" 'another image: started afresh' /run/hydroot/storedev/log
dd if="$device" iflag=direct bs=1M status=none | cmp - "$T/other.ext4" || fail "the device differs"
expect_exit 0 hydroot detach storedev

note "too small, a partition table, a label"
truncate -s 100M "$T/small"
losetup -d "$loop"
attach_loop "$T/small"
refused 'too small: it has 104857600 bytes, the image needs [0-9]+' --store="$loop" "$url"
truncate -s 0 "$T/disk"
truncate -s 320M "$T/disk"
sfdisk -q "$T/disk" <<-'END'
	label: gpt
	size=8MiB, name="first"
	name="hydroot-cache-test"
END
attach_loop --partscan "$T/disk"
# A kernel that cannot read the table is told.
[ -b "${loop}p2" ] || partx -a "$loop"
defer partx -d "$loop"
refused "other data \\(gpt\\)" --store="$loop" "$url"
refused "there is no such device" --store=PARTLABEL=hydroot-cache-tset "$url"
wait_for 5 "the partition's node" test -b "${loop}p2"
fill --store=PARTLABEL=hydroot-cache-test "$url"
assert_equal "store.device" "${loop}p2" "$(status_key storedev .store.device)"
expect_exit 0 hydroot detach storedev
uuid=$(blkid -p -s PART_ENTRY_UUID -o value "${loop}p2")
fill --store="PARTUUID=$uuid" "$url"
assert_equal "bytes fetched the second time" 0 "$(fetched storedev)"
expect_exit 0 hydroot detach storedev
