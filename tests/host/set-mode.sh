#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 240
# hydroot set changes mode and cache while it runs: stream to hybrid and on to residence, hybrid to stream with
# more stored than the cache may take, another cache, and hybrid not when it would not fit.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

same() { dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "$1: the device differs"; }
used() { status_key "$1" .store.used_bytes; }
fits() { [ "$(used "$1")" -le "$2" ]; } # NAME BYTES

note "stream, hybrid, resident"
attach mode1 --mode=stream --cache=400M "$(nginx_url web test.hri)"
timeout 30 io read "$device" 0 >/dev/null
expect_exit 4 timeout 20 hydroot wait mode1 --for=resident
expect_exit 2 hydroot set mode1 mode=full
expect_exit 0 hydroot set mode1 mode=stream
expect_exit 0 hydroot set mode1 reserve=100%
expect_exit 1 hydroot set mode1 mode=hybrid
assert_contains "both numbers" 'needs about [0-9]+ MiB, [0-9]+ MiB are available' "$T/out"
assert_equal "state" streaming "$(status_key mode1 .state)"
expect_exit 1 hydroot set mode1 cache=300M mode=hybrid
assert_equal "a budget that was set together with what failed" $((400 << 20)) \
	"$(status_key mode1 .settings.cache_bytes)"
# The reserve is set before the mode: both in one call.
expect_exit 0 hydroot set mode1 mode=hybrid reserve=64M
assert_equal "mode" hybrid "$(status_key mode1 .mode)"
expect_exit 0 hydroot wait mode1 --for=resident --timeout=60s
same "resident"
expect_exit 1 hydroot set mode1 mode=stream
hydroot detach mode1

note "hybrid, stream over budget"
attach mode2 "--rate=40M" "$(nginx_url web test.hri)"
head -c 40960 /dev/urandom >"$T/piece"
cp "$raw" "$T/copy"
for file in "$device" "$T/copy"; do
	dd if="$T/piece" of="$file" bs=4096 seek=777 conv=notrunc status=none
done
blockdev --flushbufs "$device"
raw=$T/copy
filled() { [ "$(used mode2)" -gt $((60 << 20)) ]; }
wait_for 60 "60 MiB in the store" filled
expect_exit 0 hydroot set mode2 mode=stream cache=24M
assert_equal "state" streaming "$(status_key mode2 .state)"
wait_for 30 "the store to shrink to its budget" fits mode2 $((24 << 20))
same "stream"
assert "use of the store" fits mode2 $((24 << 20))

note "another cache"
expect_exit 2 hydroot set mode2 cache=1K
expect_exit 0 hydroot set mode2 cache=40M
assert_equal "budget" $((40 << 20)) "$(status_key mode2 .store.limit_bytes)"
same "larger cache"
refute "the cache was not used" fits mode2 $((24 << 20))
expect_exit 0 hydroot set mode2 cache=16M
wait_for 30 "the store to shrink again" fits mode2 $((16 << 20))
same "smaller cache"

note "and back to hybrid"
expect_exit 0 hydroot set mode2 mode=hybrid rate=0
expect_exit 0 hydroot wait mode2 --for=resident --timeout=60s
same "resident"
