#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# sanitizers: asan
# Mode full: the device appears when all of the image is in memory, without FUSE, and nobody is
# needed then; a server that goes away before is waited for, until attach-timeout.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root zram nginx jq hydrootd
host_image
start_nginx web "$served"
before=$(fuse_connections)

# Ready is resident.
attach whole1 --mode=full --attach-timeout=20s "$(nginx_url web test.hri)"
no_daemon() { [ -z "$(daemon_pids whole1)" ]; }
wait_for 10 "the daemon to exit" no_daemon
assert_equal "FUSE connections" "$before" "$(fuse_connections)"
assert_equal "state" resident "$(status_key whole1 .state)"
assert_equal "mode" full "$(status_key whole1 .mode)"
wanted=plain
grep -q device-mapper /proc/misc && wanted=dm
assert_equal "handover" "true $wanted" \
	"$(status_key whole1 '"\(.handover.done) \(.handover.method)"')"
stop_nginx web
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
dd if=/dev/urandom of="$T/block" bs=4096 count=1 status=none
dd if="$T/block" of="$device" oflag=direct bs=4096 seek=77 conv=notrunc status=none
dd if="$device" iflag=direct bs=4096 skip=77 count=1 status=none | cmp - "$T/block" ||
	fail "what was written is not there"
expect_exit 0 hydroot detach whole1
refute "the device is still there" test -e "$device"

# Read-only.
restart_nginx web
attach whole2 --mode=full --read-only --attach-timeout=20s "$(nginx_url web test.hri)"
refute "a read-only device can be written" dd if=/dev/zero of="$device" bs=4096 count=1 \
	oflag=direct conv=notrunc status=none
expect_exit 0 hydroot detach whole2

# The server goes away in the middle and comes back.
defer end_attachment whole3
hydroot attach --name=whole3 --mode=full --rate=20M --attach-timeout=30s \
	"$(nginx_url web test.hri)" >"$T/attach3" 2>&1 &
attaching=$!
some() { [ "$(status_key "$1" .resident.chunks)" -gt 20 ]; }
wait_for 20 "some chunks" some whole3
refute "the device is there too early" test -e /dev/hydroot/whole3
stop_nginx web
stalled() { status_is whole3 .state stalled; }
wait_for 20 "the state stalled" stalled
restart_nginx web
wait $attaching || { cat "$T/attach3"; fail "attach after an outage"; }
dd if=/dev/hydroot/whole3 iflag=direct bs=1M status=none | cmp - "$raw" ||
	fail "the device differs after an outage"
expect_exit 0 hydroot detach whole3

# It goes away for good: attach-timeout counts from the last progress.
defer end_attachment whole4
hydroot attach --name=whole4 --mode=full --rate=20M --attach-timeout=4s \
	"$(nginx_url web test.hri)" >"$T/attach4" 2>&1 &
attaching=$!
wait_for 20 "some chunks" some whole4
stop_nginx web
code=0
wait $attaching || code=$?
assert_equal "exit code of an attach without a server" 1 $code
assert_contains "why" 'full: no progress for [0-9]+ s with [0-9]+ of [0-9]+ chunks' "$T/attach4"
refute "a device is left behind" test -e /dev/hydroot/whole4

# Not on what is no block device.
expect_exit 2 timeout 20 hydroot attach --name=whole5 --mode=full --store=memory \
	"$(nginx_url web test.hri)"
