#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# The network process is killed 50 times, and stopped for good twice, while the device is read and
# filled: no read fails, all bytes are right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

# shellcheck disable=SC2034 # for lib.sh
net_may_die=yes
kills=50
attach kill1 --rate=500K "$(nginx_url web test.hri)"
evidence+=(/run/hydroot/kill1/log "$T/killed")
data_offsets 124 5 >"$T/all"
# The child of the keeper that is not root; net_pid takes its time on a busy machine.
keeper=$(awk '{ print $4 }' "/proc/$(net_pid kill1)/stat")
next_net() { pgrep -P "$keeper" -U 65525 | head -n 1 || true; }
killer() # at moments that nobody chose; each time it is another process
{
	local pid n=0 stops=0 i
	for ((i = 0; i < 400 && n < kills; i++)); do
		sleep "0.$((RANDOM % 30 + 10))"
		pid=$(next_net)
		[ -n "$pid" ] || continue
		if [ $((n / 20)) -gt $stops ]; then
			stops=$((stops + 1))
			kill -STOP "$pid" && echo stopped >>"$T/killed" && sleep 8
		elif kill -9 "$pid" 2>/dev/null; then
			n=$((n + 1))
			echo killed >>"$T/killed"
		fi
	done
	touch "$T/stop"
}
killer &
killer=$!
defer end_process $killer
for ((i = 0; i < 1000; i++)); do
	[ ! -e "$T/stop" ] || break
	# Each time one that is new, as long as there are some.
	tail -n +$((i % 120 + 1)) "$T/all" | head -n 4 >"$T/offsets"
	timeout 60 io readers "$device" "$T/got" "$T/offsets" >>"$T/readers" ||
		fail "a read failed, or took a minute"
	expected_blocks "$raw" "$T/offsets" >"$T/want"
	assert "the blocks are the image's" cmp "$T/got" "$T/want"
	sleep 0.2
done
wait $killer
note "$(sort "$T/killed" | uniq -c | tr '\n' ' ')in $(wc -l <"$T/readers") rounds"
assert_equal "kills" $kills "$(grep -c killed "$T/killed")"
assert_equal "stops for good" 2 "$(grep -c stopped "$T/killed")"
assert_contains "the stopped ones were found" 'does not answer: asking for a new one' \
	"/run/hydroot/kill1/log"
note "$(status_key kill1 '"\(.net_restarts) processes, \(.resident.chunks) chunks"')"
# What is left, without the brake.
data_offsets 100 7 >"$T/offsets"
timeout 100 io readers "$device" "$T/got" "$T/offsets" >>"$T/readers" || fail "a read failed"
expected_blocks "$raw" "$T/offsets" >"$T/want"
assert "the blocks are the image's" cmp "$T/got" "$T/want"
