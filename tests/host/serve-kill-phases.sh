#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 240
# The serving process is killed at chosen moments: right after ready, when paused, with readers that wait for
# a server that is away, on a store in plain memory, around the handover.  Nothing is lost, and what
# was asked for stays so.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
# shellcheck disable=SC2034 # for lib.sh
net_may_die=yes

same_as_image() { cmp <(dd if="$device" bs=1M iflag=direct status=none) "$raw"; }

# So slow that there is still something to pause on a busy machine.
attach ph1 --rate=2M "$(nginx_url web test.hri)"
keeper=$(keeper_pid ph1)
kill_serve "$keeper"
expect_exit 0 hydroot pause ph1
kill_serve "$keeper"
wait_for 10 "the state to be kept" status_is ph1 .state paused
assert_equal "restarts" 2 "$(status_key ph1 .restarts.serve)"
note "killed right after ready and when paused: still paused"

data_offsets 40 11 >"$T/offsets"
stop_nginx web
io readers "$device" "$T/got" "$T/offsets" >"$T/readers" 2>&1 &
readers=$!
defer end_process $readers
some_wait() { [ "$(status_key ph1 .demand.waiting)" -ge 10 ]; }
wait_for 20 "readers to wait" some_wait
waiting=$(status_key ph1 .demand.waiting)
kill_serve "$keeper"
kill_serve "$keeper"
all_wait() { [ "$(status_key ph1 .demand.waiting)" -ge "$waiting" ]; }
wait_for 20 "the readers to wait again" all_wait
assert "no reader has ended" kill -0 $readers
head -c 4096 /dev/urandom >"$T/block"
dd if="$T/block" of="$device" bs=4096 seek=9 oflag=direct conv=notrunc status=none
kill_serve "$keeper"
dd if="$device" bs=4096 skip=9 count=1 iflag=direct status=none | cmp - "$T/block" ||
	fail "what was written before the death differs"
restart_nginx web
wait_for 60 "the readers to end" test -s "$T/readers"
wait $readers || fail "a reader failed: $(cat "$T/readers")"
expected_blocks "$raw" "$T/offsets" >"$T/want"
assert "the readers got the image's bytes" cmp "$T/got" "$T/want"
dd if="$raw" of="$device" bs=4096 skip=9 seek=9 count=1 oflag=direct conv=notrunc status=none
expect_exit 0 hydroot set ph1 rate=0
expect_exit 0 hydroot resume ph1
expect_exit 0 hydroot wait ph1 --for=resident --timeout=60s
kill_serve "$keeper"
assert "all is there after a kill when resident" same_as_image
wait_for 10 "state resident" status_is ph1 .state resident
expect_exit 0 hydroot detach ph1
note "$waiting readers waited through two deaths: $(cat "$T/readers")"

evidence+=(/run/hydroot/ph3/log)
attach ph2 --store=memory --rate=20M "$(nginx_url web test.hri)"
keeper=$(keeper_pid ph2)
for ((i = 0; i < 3; i++)); do kill_serve "$keeper"; done
assert "the store in memory is taken along" same_as_image
expect_exit 0 hydroot detach ph2
note "store in memory: right"

# Around the handover: by itself a read-only loop device does it, within milliseconds.
handed_over=0
for ((i = 0; i < 6; i++)); do
	attach ph3 --read-only --fill=manual --rate=40M "$(nginx_url web test.hri)"
	keeper=$(keeper_pid ph3)
	backing=/sys/block/$(basename "$(readlink -f "$device")")/loop/backing_file
	serve=$(serve_pid "$keeper")
	expect_exit 0 hydroot resume ph3
	dd if="$device" iflag=direct bs=64k of="$T/copy" status=none &
	reader=$!
	# In even rounds as soon as the change is seen, in odd ones a little before or after the last chunk.
	if [ $((i % 2)) = 0 ]; then
		while [ -e "$backing" ] && kill -0 "$serve" 2>/dev/null; do
			read -r file <"$backing" || break
			case $file in *zram*) break ;; esac
		done
	else
		complete() { [ "$(status_key ph3 .resident.chunks)" -gt $((n_chunks * 9 / 10)) ]; }
		wait_for 60 "round $i: nine tenths" complete
		sleep "0.$((RANDOM % 30 + 10))"
	fi
	kill -9 "$serve" 2>/dev/null || true
	wait $reader || fail "round $i: a read failed"
	assert "what was read" cmp "$T/copy" "$raw"
	timeout 60 hydroot wait ph3 --for=resident --timeout=50s >"$T/out" 2>&1 ||
		fail "round $i: $(cat "$T/out" /run/hydroot/ph3/log)"
	no_daemon() { [ -z "$(daemon_pids ph3)" ]; }
	wait_for 20 "round $i: the daemon to exit" no_daemon
	assert_equal "state" resident "$(status_key ph3 .state)"
	assert_equal "handed over" true "$(status_key ph3 .handover.done)"
	assert_contains "round $i: what is behind $device" zram "$backing"
	assert "round $i: all is there after the handover" same_as_image
	! grep -q 'handover by .* is finished' /run/hydroot/ph3/log || handed_over=$((handed_over + 1))
	expect_exit 0 hydroot detach ph3
done
note "6 kills around the handover, $handed_over of them between its last step and its end"
