#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# sanitizers: asan
# An image for which the kernel's table of a zram device would be too large is streamed through a smaller
# device: every byte right, written blocks stay, the budget holds, tables included.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
budget=$((16 << 20))

note "an image of 8 GiB with 48 MiB of data at each end"
mkdir "$T/served"
truncate -s 8G "$T/raw"
for at in 0 $((8192 - 48)); do
	dd if="$raw" of="$T/raw" bs=1M count=48 seek=$at conv=notrunc,sparse status=none
done
"$TOP/build/hydroot-image" build "$T/raw" "$T/served/large.hri"
start_nginx web "$T/served"

attach slots1 --mode=stream --cache=16M "$(nginx_url web large.hri)"
used() { status_key slots1 .store.used_bytes; }
zram=$(status_key slots1 .store.device)
size=$(($(cat "/sys/block/${zram#/dev/}/size") * 512))
assert_below "size of $zram" $((1 << 30)) "$size"
check_ends() # WHAT
{
	local at
	for at in 0 $((8192 - 48)); do
		dd if="$device" iflag=direct bs=1M skip=$at count=48 status=none |
			cmp - <(dd if="$T/raw" bs=1M skip=$at count=48 status=none) || fail "$1: differs"
		assert_below "$1: use of the store" $((budget + 1)) "$(used)"
	done
}
check_ends "first time"
check_ends "second time"
note "the middle is zeros, and takes nothing"
dd if="$device" iflag=direct bs=1M skip=4000 count=64 status=none | cmp -n $((64 << 20)) - /dev/zero

note "single blocks all over it stay"
for i in $(seq 0 255); do
	echo $((i * 32 * 256 * 4096 + 40960))
done >"$T/offsets"
head -c $((256 * 4096)) /dev/urandom >"$T/blocks"
i=0
while read -r offset; do
	dd if="$T/blocks" of="$device" bs=4096 skip=$i count=1 seek=$((offset / 4096)) oflag=direct status=none
	dd if="$T/blocks" of="$T/raw" bs=4096 skip=$i count=1 seek=$((offset / 4096)) conv=notrunc status=none
	i=$((i + 1))
done <"$T/offsets"
check_ends "after writing"
io readers "$device" "$T/got" "$T/offsets"
assert "the written blocks" cmp "$T/got" "$T/blocks"
check_ends "in the end"
note "the store takes $(used) of $budget"
refute "it was handed over" status_is slots1 .handover.done true
