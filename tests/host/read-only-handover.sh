#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 120
# alone: counts FUSE connections
# A read-only device needs nobody once it is resident: no daemon, no FUSE, no server; in zram and in plain memory.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
before=$(fuse_connections)

once() # NAME ARGUMENT...
{
	local name=$1
	shift
	attach "$name" --read-only "$@" "$(nginx_url web test.hri)"
	refute "a read-only device can be written" dd if=/dev/zero of="$device" bs=4096 count=1 \
		oflag=direct conv=notrunc status=none
	dd if="$device" iflag=direct bs=64k of="$T/copy" status=none &
	reader=$!
	expect_exit 0 hydroot wait "$name" --for=resident --timeout=60s
	wait $reader || fail "a read during the handover failed"
	assert "what was read during the handover" cmp "$T/copy" "$raw"
	note "$name: resident, handover by $(status_key "$name" .handover.method)"

	stop_nginx web
	wanted=loop
	grep -q device-mapper /proc/misc && wanted=dm
	assert_equal "handover.method" "$wanted" "$(status_key "$name" .handover.method)"
	no_daemon() { [ -z "$(daemon_pids "$name")" ]; }
	wait_for 10 "the daemon to exit" no_daemon
	assert_equal "FUSE connections" "$before" "$(fuse_connections)"
	assert "state after the daemon has gone" status_is "$name" .state resident
	echo 3 >/proc/sys/vm/drop_caches
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
	expect_exit 0 hydroot detach "$name"
	refute "the device is still there" test -e "$device"
}

once ro1
restart_nginx web
once ro2 --store=memory
