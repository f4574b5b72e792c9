#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 200
# alone: stopped half of the time
# All processes of the daemon are stopped and continued every second while the device is read, written and
# filled, as PID 1 does it at switch_root: no read or write fails, nothing that was written is lost, no process is
# replaced.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/proxy.sh
. "$TOP/tests/proxy.sh"
requires root fuse loop zram nginx jq fio hydrootd
host_image
start_nginx web "$served"

# Reads and fill share a line on which the image takes 18 s.
start_faultproxy line web --rate=5M
attach stop1 --timeout=2s "$(proxy_url line test.hri)"
assert_equal "keeper, serve and net" 3 "$(daemon_pids stop1 | wc -l)"
all() { local pid; for pid in $(daemon_pids stop1); do kill "$1" "$pid" || true; done; }
stopper() # random lengths, so that it hits every moment
{
	while [ ! -e "$T/stop" ]; do
		all -STOP
		sleep "0.$((RANDOM % 5 + 2))"
		all -CONT
		echo >>"$T/stopped"
		sleep "0.$((RANDOM % 4 + 3))"
	done
	all -CONT
}
stopper &
stopper=$!
# A daemon that stays stopped could not be detached.
defer all -CONT
defer end_process $stopper

# The last 32 MiB are written, the rest is compared with the image.
written=$((160 * 1024 * 1024))
truncate -s $written "$T/compared" && dd if="$raw" of="$T/compared" bs=1M count=160 conv=notrunc status=none
writer() # rounds of writes, each block read back and verified
{
	while [ ! -e "$T/stop-fio" ]; do
		fio --name=stop --filename="$device" --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw --bs=16k \
			--offset=$written --size=32M --rate=5M,5M --verify=crc32c --verify_fatal=1 \
			--verify_backlog=256 --verify_state_save=0 --output="$T/fio" || return
		echo >>"$T/rounds"
	done
}
writer &
fio=$!
defer end_process $fio
readcheck "$device" "$T/compared" 3000 8 1 20 >"$T/readers" || fail "a read failed or was wrong"
note "$(cat "$T/readers")"
stopped_often() { [ "$(wc -l <"$T/stopped")" -ge 8 ]; }
wait_for 60 "eight stops" stopped_often
touch "$T/stop-fio"
wait $fio || { cat "$T/fio"; fail "fio found an error"; }
touch "$T/stop"
wait $stopper
note "stopped $(wc -l <"$T/stopped") times; $(wc -l <"$T/rounds") rounds of fio"
expect_exit 0 hydroot wait stop1 --for=resident --timeout=60s
assert "the part that was not written" cmp -n $written "$raw" "$device"
assert_equal "processes that were replaced" '{"net":0,"serve":0}' "$(hydroot status stop1 --json | jq -c .restarts)"
