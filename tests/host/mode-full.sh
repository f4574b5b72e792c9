#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# sanitizers: asan
# alone: counts FUSE connections
# Mode full: the device appears when all of the image is in the store, without FUSE but for a writable device on a
# disk, and nobody is needed then; a server that goes away before is waited for, until attach-timeout.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root zram nginx jq hydrootd
host_image
start_nginx web "$served"
before=$(fuse_connections)

# Ready is resident.
attach whole1 --mode=full --attach-timeout=20s "$(nginx_url web test.hri)"
no_daemon() { [ -z "$(daemon_pids "$1")" ]; }
wait_for 10 "the daemon to exit" no_daemon whole1
assert_equal "FUSE connections" "$before" "$(fuse_connections)"
assert_equal "state" resident "$(status_key whole1 .state)"
assert_equal "mode" full "$(status_key whole1 .mode)"
wanted=none
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

# Memory that is not compressed: a loop device over it, which nobody serves.
check_alone() # NAME STATE WANTED-METHOD
{
	wait_for 10 "the daemon to exit" no_daemon "$1"
	assert_equal "FUSE connections" "$before" "$(fuse_connections)"
	assert_equal "$1" "$2 true $3" \
		"$(status_key "$1" '"\(.state) \(.handover.done) \(.handover.method)"')"
	echo 3 >/proc/sys/vm/drop_caches
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "$1: the device differs"
}

restart_nginx web
attach whole5 --mode=full --store=memory "$(nginx_url web test.hri)"
check_alone whole5 resident "$wanted"
dd if="$T/block" of="$device" oflag=direct bs=4096 seek=77 conv=notrunc status=none
dd if="$device" iflag=direct bs=4096 skip=77 count=1 status=none | cmp - "$T/block" ||
	fail "what was written is not there"
target=$(readlink -f "$device")
bound_diskseq=$(diskseq "$target")
expect_exit 0 hydroot detach whole5
refute "the device is still there" test -e "$device"
refute "$target is still bound" test "$(diskseq "$target")" = "$bound_diskseq"

# A file: read-only it is left alone, writable the daemon notes what is written.
attach whole6 --mode=full --store="$T/cache" --read-only "$(nginx_url web test.hri)"
check_alone whole6 cached "$wanted"
expect_exit 0 hydroot detach whole6
attach whole7 --mode=full --store="$T/cache" "$(nginx_url web test.hri)"
expect_exit 0 hydroot wait whole7 --timeout=60s
assert_equal "writable on a disk" "full cached false none" \
	"$(status_key whole7 '"\(.mode) \(.state) \(.handover.done) \(.handover.method)"')"
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "whole7: the device differs"
expect_exit 0 hydroot detach whole7

# Without FUSE a writable device on a disk cannot be: zram instead, with a warning, so that a boot goes on.
cat >"$T/no-fuse" <<'SH'
mount --bind "$1" /dev/fuse && shift && exec "$@"
SH
mknod "$T/node" c 10 255
without_fuse() { unshare -m sh "$T/no-fuse" "$T/node" "$@"; }
if without_fuse test -c /dev/fuse && ! without_fuse sh -c ': </dev/fuse' 2>/dev/null; then
	defer end_attachment whole8
	without_fuse hydroot attach --name=whole8 --mode=full --store="$T/cache" \
		"$(nginx_url web test.hri)" || fail "attach without FUSE"
	device=/dev/hydroot/whole8
	check_alone whole8 resident "$wanted"
	assert_equal "store" zram "$(status_key whole8 .store.kind)"
	assert_equal "warnings" 1 "$(status_key whole8 \
		'[.warnings[] | select(test("^store=.*/cache: .*FUSE.*zram instead"))] | length')"
	expect_exit 0 hydroot detach whole8
else
	echo "skipped: without FUSE: this machine makes no private mounts of device nodes"
fi
