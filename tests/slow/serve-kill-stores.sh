#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# The serving process is killed again and again while chunks leave the store (mode stream), over a device of slots,
# and over a store in a file: no request fails, every byte is right, what was changed while it ran stays so.
# The load must not write more than the cache takes, so it is not for machines much faster than two cores under load.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
# shellcheck disable=SC2034 # for lib.sh
net_may_die=yes

kill_some() # KEEPER N PID: while the process PID goes on
{
	local i
	for ((i = 0; i < $2; i++)); do
		sleep "0.$((RANDOM % 50 + 10))"
		kill_serve "$1"
		kill -0 "$3" 2>/dev/null || fail "the load ended after kill $i: $(cat "$T/load.log")"
	done
}
nothing_lost() # NAME
{
	refute "something was lost" grep -E 'device is lost|cannot take over|store:' "/run/hydroot/$1/log"
}
evidence+=("$T/load.log" /run/hydroot/skstream/log /run/hydroot/skslots/log /run/hydroot/skfile/log)

note "mode stream, chunks leave all the time"
start_nginx web "$served"
budget=$((64 << 20))
attach skstream --mode=stream --cache=32M "$(nginx_url web test.hri)"
expect_exit 0 hydroot set skstream cache=$budget rate=500M
keeper=$(keeper_pid skstream)
ioload "$device" "$raw" "$T/stop" 11 --write-mib=24 >"$T/load.log" 2>&1 &
load=$!
defer end_process $load
kill_some "$keeper" 10 $load
touch "$T/stop"
wait $load || fail "the load: $(cat "$T/load.log")"
note "$(cat "$T/load.log"); $(status_key skstream .resident.chunks) of $n_chunks chunks"
assert_equal "restarts" 10 "$(status_key skstream .restarts.serve)"
assert_equal "mode" stream "$(status_key skstream .mode)"
assert_equal "state" streaming "$(status_key skstream .state)"
assert_equal "the budget that was set" $budget "$(status_key skstream .store.limit_bytes)"
assert_below "use of the store" $((budget + 1)) "$(status_key skstream .store.used_bytes)"
assert_below "resident chunks: nothing had to leave" "$n_chunks" "$(status_key skstream .resident.chunks)"
nothing_lost skstream
expect_exit 0 hydroot detach skstream

note "mode stream over slots: an image of 8 GiB with 48 MiB of data at each end"
mkdir "$T/served"
truncate -s 8G "$T/raw"
for at in 0 $((8192 - 48)); do
	dd if="$raw" of="$T/raw" bs=1M count=48 seek=$at conv=notrunc,sparse status=none
done
"$TOP/build/hydroot-image" build "$T/raw" "$T/served/large.hri"
start_nginx large "$T/served"
attach skslots --mode=stream --cache=16M "$(nginx_url large large.hri)"
keeper=$(keeper_pid skslots)
size=$(($(cat "/sys/block/$(basename "$(status_key skslots .store.device)")/size") * 512))
assert_below "size of the store's device" $((1 << 30)) "$size"
head -c $((64 * 4096)) /dev/urandom >"$T/blocks"
for ((i = 0; i < 64; i++)); do
	at=$((i * 128 * 256 + 10))
	dd if="$T/blocks" of="$device" bs=4096 skip=$i count=1 seek=$at oflag=direct status=none
	dd if="$T/blocks" of="$T/raw" bs=4096 skip=$i count=1 seek=$at conv=notrunc status=none
	echo $((at * 4096)) >>"$T/offsets"
done
read_ends() # until there is a file stop2
{
	local at
	until [ -e "$T/stop2" ]; do
		for at in 0 $((8192 - 48)); do
			dd if="$device" iflag=direct bs=1M skip=$at count=48 status=none |
				cmp - <(dd if="$T/raw" bs=1M skip=$at count=48 status=none) || return 1
		done
	done
}
read_ends >"$T/load.log" 2>&1 &
load=$!
defer end_process $load
kill_some "$keeper" 8 $load
touch "$T/stop2"
wait $load || fail "the ends: $(cat "$T/load.log")"
io readers "$device" "$T/got" "$T/offsets"
assert "the written blocks" cmp "$T/got" "$T/blocks"
assert_below "use of the store" $(((16 << 20) + 1)) "$(status_key skslots .store.used_bytes)"
assert_equal "restarts" 8 "$(status_key skslots .restarts.serve)"
nothing_lost skslots
expect_exit 0 hydroot detach skslots

note "a store in a file"
attach skfile --store="$T/cache" --rate=4M "$(nginx_url web test.hri)"
keeper=$(keeper_pid skfile)
ioload "$device" "$raw" "$T/stop3" 13 >"$T/load.log" 2>&1 &
load=$!
defer end_process $load
kill_some "$keeper" 10 $load
expect_exit 0 hydroot wait skfile --for=resident --timeout=90s
touch "$T/stop3"
wait $load || fail "the load: $(cat "$T/load.log")"
note "$(cat "$T/load.log")"
assert_equal "restarts" 10 "$(status_key skfile .restarts.serve)"
refute "something was lost" grep -E 'device is lost|cannot take over' /run/hydroot/skfile/log
expect_exit 0 hydroot detach skfile

note "what the file has is the image's, as far as it says so: killed while that is looked at"
attach skfile --store="$T/cache" --read-only --fill=manual "$(nginx_url web test.hri)"
keeper=$(keeper_pid skfile)
dd if="$device" bs=1M iflag=direct of="$T/copy" status=none &
load=$!
defer end_process $load
for ((i = 0; i < 3; i++)); do
	kill_serve "$keeper"
	sleep 0.3
done
wait $load || fail "the device could not be read"
assert "the device" cmp "$T/copy" "$raw"
# All that holds data was read: there may be nothing left to fill, and the daemon gone.
hydroot resume skfile >"$T/out" 2>&1 || true
expect_exit 0 hydroot wait skfile --for=resident --timeout=90s
assert "the device, when all of it is there" cmp <(dd if="$device" bs=1M iflag=direct status=none) "$raw"
expect_exit 0 hydroot detach skfile
