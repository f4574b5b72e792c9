#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# With io-timeout a read that the network keeps waiting fails, what is there is read as ever, and after the
# server's return reads succeed again.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
attach iot --fill=manual --io-timeout=5s "$(nginx_url web test.hri)"
data_offsets 6 5 >"$T/offsets"
mapfile -t offset <"$T/offsets"

read_block() # OFFSET: compare with the image; fails when the read does
{
	timeout 60 dd if="$device" iflag=direct bs=4096 skip=$(($1 / 4096)) count=1 status=none \
		>"$T/got" 2>"$T/error" || return 1
	dd if="$raw" bs=4096 skip=$(($1 / 4096)) count=1 status=none | cmp -s - "$T/got" ||
		fail "wrong bytes at $1"
}

assert "a read while the server answers" read_block "${offset[0]}"

note "the server hangs"
kill -STOP "${nginx_pid[web]}"
for pid in $(pgrep -P "${nginx_pid[web]}"); do kill -STOP "$pid"; done
refute "a read was answered without a server" read_block "${offset[1]}"
assert_contains "the error" 'Input/output error' "$T/error"
assert "a read of what is there" read_block "${offset[0]}"
for pid in $(pgrep -P "${nginx_pid[web]}"); do kill -CONT "$pid"; done
kill -CONT "${nginx_pid[web]}"
assert "the next read after the server's return" read_block "${offset[1]}"

note "the server is closed"
stop_nginx web
refute "a read was answered without a server" read_block "${offset[2]}"
assert "a read of what is there" read_block "${offset[1]}"
dd if="$raw" of="$device" oflag=direct bs=4096 skip=$((offset[3] / 4096)) seek=$((offset[3] / 4096)) \
	count=1 conv=notrunc status=none || fail "a write failed"
assert "a read of what was written" read_block "${offset[3]}"
restart_nginx web
assert "the next read after its return" read_block "${offset[2]}"
assert "a read of the same" read_block "${offset[2]}"
assert_equal "reads that wait" 0 "$(status_key iot .demand.waiting)"
[ "$(status_key iot .demand.reads_timed_out)" -ge 2 ] || fail "time-outs are not counted"
daemon_log iot >"$T/log"
assert_contains "the log" 'failed with EIO: waited for the network for io-timeout, 5000 ms' "$T/log"
