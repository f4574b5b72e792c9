#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 150
# The network process is killed again and again while the device is read: no read fails, all
# bytes are right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

# shellcheck disable=SC2034 # for lib.sh
net_may_die=yes
attach kill1 --fill=manual "$(nginx_url web test.hri)"
data_offsets 240 5 >"$T/all"
killer() # kills it at moments that nobody chose
{
	while [ ! -e "$T/stop" ]; do
		sleep "0.0$((RANDOM % 90 + 10))"
		if pid=$(net_pid kill1) && kill -9 "$pid" 2>/dev/null; then echo >>"$T/killed"; fi
	done
}
killer &
killer=$!
defer end_process $killer
for ((i = 0; i < 30; i++)); do
	tail -n +$((i * 8 + 1)) "$T/all" | head -n 8 >"$T/offsets"
	io readers "$device" "$T/got" "$T/offsets" >>"$T/readers" || fail "a read failed"
	expected_blocks "$raw" "$T/offsets" >"$T/want"
	assert "the blocks are the image's" cmp "$T/got" "$T/want"
	sleep 0.1
done
touch "$T/stop"
wait $killer
killed=$(wc -l <"$T/killed")
note "killed it $killed times in $(wc -l <"$T/readers") rounds; $(tail -n 1 "$T/readers")"
assert "it was killed at least 10 times" test "$killed" -ge 10
expect_exit 0 hydroot resume kill1
expect_exit 0 hydroot wait kill1 --for=resident --timeout=60s
