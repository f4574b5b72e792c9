#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 150
# All processes of the daemon are stopped and continued every second, as PID 1 does at switch_root, while the
# device is read, written and filled: no request fails, every byte is right, no process is replaced.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach stop1 --rate=8M "$(nginx_url web test.hri)"
mapfile -t pids < <(daemon_pids stop1)
assert_equal "processes" 3 "${#pids[@]}"
# The network process ends by itself when nothing is missing any more.
signal_all() { kill "-$1" "${pids[@]}" 2>/dev/null || true; }
ioload "$device" "$raw" "$T/stop" 3 >"$T/load.log" 2>&1 &
load=$!
defer end_process $load
for ((i = 0; i < 10; i++)); do
	signal_all STOP
	sleep 0.3
	signal_all CONT
	sleep 0.7
	kill -0 $load 2>/dev/null || fail "the load ended: $(cat "$T/load.log")"
done
expect_exit 0 hydroot wait stop1 --for=resident --timeout=60s
touch "$T/stop"
wait $load || fail "the load: $(cat "$T/load.log")"
note "$(cat "$T/load.log")"
assert_equal "restarts" '{"net":0,"serve":0}' "$(hydroot status stop1 --json | jq -c .restarts)"
