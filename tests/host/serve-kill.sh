#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# The serving process is killed 20 times while the device is read, written, discarded and filled: no
# request fails, every byte is right, the image becomes resident, the device can be detached.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

# shellcheck disable=SC2034 # for lib.sh
net_may_die=yes
attach kill2 --rate=4M "$(nginx_url web test.hri)"
evidence+=(/run/hydroot/kill2/log "$T/load.log")
keeper=$(keeper_pid kill2)
ioload "$device" "$raw" "$T/stop" 7 >"$T/load.log" 2>&1 &
load=$!
defer end_process $load
in_flight=0
for ((i = 0; i < 20; i++)); do
	sleep "0.$((RANDOM % 60 + 10))"
	kill_serve "$keeper"
	kill -0 $load 2>/dev/null || fail "the load ended after kill $i"
done
restarted() { status_is kill2 .restarts.serve 20; }
wait_for 30 "20 restarts in the status" restarted
in_flight=$(sed -n 's/.*took over: \([0-9]*\) requests.*/\1/p' /run/hydroot/kill2/log | paste -sd+ | bc)
note "killed it 20 times, $in_flight requests were under way; $(status_key kill2 .resident.chunks) of $n_chunks chunks"
expect_exit 0 hydroot wait kill2 --for=resident --timeout=90s
touch "$T/stop"
wait $load || fail "the load: $(cat "$T/load.log")"
note "resident; $(cat "$T/load.log")"
assert_contains "what the load did" '[1-9][0-9]* of them durable at once, [1-9][0-9]* discards, [1-9][0-9]* zeroings' "$T/load.log"
assert "requests were under way at a kill" test "$in_flight" -gt 0
assert "no line says that something was lost" test -z "$(grep -E 'device is lost|cannot take over' /run/hydroot/kill2/log)"
assert_contains "the log" 'serving process: ended by signal 9: started again' /run/hydroot/kill2/log
status_key kill2 '.warnings[]' | grep -q 'serving process died 20 times' || fail "no warning in the status"
expect_exit 0 hydroot detach kill2
refute "the device is still there" test -e "$device"
refute "the run directory is still there" test -e /run/hydroot/kill2
