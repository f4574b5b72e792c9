#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 150
# alone: a write takes two seconds at most
# The server is away and 100 readers wait for missing chunks.  Whatever needs no server goes on:
# a cached read, a write, an fsync, a discard.  When the server is back, all readers get the right
# bytes.  100, because a loop device of default depth takes 128 requests at a time; the boot test
# does it with more.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
bound_ms=$((2000 * ${HYDROOT_SLOWER:-1}))

attach out1 --fill=manual "$(nginx_url web test.hri)"
data_offsets "$n_chunks" 3 | awk -v c="$chunk_bytes" '$1 >= 4 * c' | head -n 103 >"$T/all"
head -n 100 "$T/all" >"$T/offsets"
mapfile -t other < <(tail -n 3 "$T/all")
cached=${other[0]} written=${other[1]} punched=${other[2]}
io read "$device" "$cached" >/dev/null

stop_nginx web
io readers "$device" "$T/got" "$T/offsets" >"$T/readers" 2>&1 &
readers=$!
defer end_process $readers
many_wait() { [ "$(status_key out1 .demand.waiting)" -ge 95 ]; }
wait_for 20 "the readers to wait" many_wait
note "$(status_key out1 .demand.waiting) reads wait, state $(status_key out1 .state)"

assert_below "ms of a cached read" $bound_ms "$(io read "$device" "$cached")"
start=$(now_ms)
head -c 4096 /dev/urandom >"$T/block"
dd if="$T/block" of="$device" bs=4096 seek=$((written / 4096)) oflag=direct conv=notrunc \
	status=none
assert_below "ms of a write to a missing chunk" $bound_ms $(($(now_ms) - start))
dd if="$device" bs=4096 skip=$((written / 4096)) count=1 iflag=direct status=none |
	cmp - "$T/block" || fail "the written block does not read back"
assert_below "ms of a write with fsync" $bound_ms "$(io write "$device")"
assert_below "ms of a discard" $bound_ms "$(io punch "$device" "$punched" 4096)"
assert_below "ms of a read of what was discarded" $bound_ms "$(io read "$device" "$punched")"
wait_for 30 "state stalled" status_is out1 .state stalled
assert "the readers still wait" kill -0 $readers

note "server is back"
restart_nginx web
wait_for 60 "the readers to end" test -s "$T/readers"
wait $readers || fail "a reader failed: $(cat "$T/readers")"
note "$(cat "$T/readers")"
expected_blocks "$raw" "$T/offsets" >"$T/want"
assert "all readers got the image's bytes" cmp "$T/got" "$T/want"
dd if="$device" bs=4096 skip=$((written / 4096)) count=1 iflag=direct status=none |
	cmp - "$T/block" || fail "the written block was overwritten by the fetched chunk"
dd if="$device" bs=4096 skip=$((punched / 4096)) count=1 iflag=direct status=none |
	cmp - <(head -c 4096 /dev/zero) || fail "the discarded block is not zero"
