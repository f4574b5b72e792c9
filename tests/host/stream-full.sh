#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: asan
# In mode stream, when written blocks alone fill the cache, writes fail with "no space" after a warning,
# and all else goes on: what was written reads back, what is there reads right, discards make room.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
budget=$((16 << 20))

attach full1 --mode=stream --cache=16M "$(nginx_url web test.hri)"
used() { status_key full1 .store.used_bytes; }
first=$((100 << 20))	# what is written begins here
no_warning() { ! warned; }
nothing_waits() { status_is full1 .demand.waiting 0; }
warned() { status_key full1 '.warnings[]' | grep -q 'cache: written blocks'; }

note "writing what does not compress"
head -c $budget /dev/urandom >"$T/data"
refute "a warning before anything was written" warned
dd if="$T/data" of="$device" bs=64K seek=$((first >> 16)) count=$((14 * 16)) oflag=direct status=none ||
	fail "14 of 16 MiB do not fit"
wait_for 5 "the warning" warned
assert_contains "warning in the log" 'cache: written blocks take' <(daemon_log full1)
refute "there is room for all of it" dd if="$T/data" of="$device" bs=64K skip=$((14 * 16)) \
	seek=$(((first >> 16) + 14 * 16)) oflag=direct status=none 2>"$T/dd"
assert_contains "what dd says" 'No space left on device|Input/output error' "$T/dd"
note "dd says: $(grep -o '[^:]*$' "$T/dd" | head -n 1); the store takes $(used) of $budget"
assert_below "use of the store" $((budget + 1)) "$(used)"
status_key full1 '.warnings[]' | grep -q 'full: writes fail' || fail "the status does not say that it is full"

note "what was written is there, and what is not there waits"
dd if="$device" iflag=direct bs=64K skip=$((first >> 16)) count=$((14 * 16)) status=none |
	cmp -n $((14 << 20)) - "$T/data" || fail "written blocks differ"
timeout 120 dd if="$device" iflag=direct bs=4096 count=1 status=none of="$T/got" &
something_waits() { ! nothing_waits; }
wait_for 5 "a read that waits" something_waits
sleep 1
refute "a read of what is not there was answered" test -s "$T/got"

note "discards make room again"
# Not blkdiscard, which looks for a filesystem first, and would wait for what is not there.
io punch "$device" $first $((8 << 20)) >"$T/punched"
wait_for 20 "the read that waited" nothing_waits
wait_for 5 "its answer" test -s "$T/got"
assert "the read that waited" cmp -n 4096 "$T/got" "$raw"
dd if="$device" iflag=direct bs=1M count=64 status=none | cmp -n $((64 << 20)) - "$raw" ||
	fail "the image's blocks differ"
dd if="$device" iflag=direct bs=64K skip=$(((first >> 16) + 8 * 16)) count=$((6 * 16)) status=none |
	cmp -n $((6 << 20)) - <(tail -c +$(((8 << 20) + 1)) "$T/data") || fail "written blocks differ"
wait_for 5 "the warning to go" no_warning
dd if="$T/data" of="$device" bs=64K count=16 seek=$((first >> 16)) oflag=direct status=none ||
	fail "writing after the discard"
assert_below "use of the store" $((budget + 1)) "$(used)"
