#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: none
# An image that does not fit into memory is not begun with: both numbers are said.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

# With all memory reserved nothing fits.
for mode in hybrid full; do
	for action in fail fallback; do
		expect_exit 1 timeout 30 hydroot attach --name=low1 --mode=$mode \
			--low-memory=$action --reserve=100% --attach-timeout=20s \
			"$(nginx_url web test.hri)"
		assert_contains "why" \
			'memory: the image needs about [0-9]+ MiB, [0-9]+ MiB are available' "$T/out"
		refute "a device is left behind" test -e /dev/hydroot/low1
	done
done
assert_below "bytes fetched for nothing" 2000000 "$(nginx_bytes "$(nginx_log web)")"

# While it fills: below the reserve the fill rests, and goes on when there is enough.
attach low2 --low-memory=fail --rate=15M "$(nginx_url web test.hri)"
hydroot set low2 reserve=100%
held() { status_is low2 .state paused; }
wait_for 10 "the fill to rest" held
assert "the reason" grep -q '^memory: [0-9]* MiB are available, less than the reserve' \
	<<<"$(status_key low2 .reason)"
chunks() { status_key low2 .resident.chunks; }
sleep 1
before=$(chunks)
sleep 2
assert_equal "chunks while it rests" "$before" "$(chunks)"
# Whoever resumes it hears why it rests all the same.
expect_exit 1 hydroot resume low2
assert_contains "why it rests" 'less than the reserve.*the fill goes on when there is more' "$T/out"
sleep 2
assert_contains "the warning" 'less than the reserve' <(status_key low2 '.warnings[]')
assert_equal "chunks after a resume" "$before" "$(chunks)"
expect_exit 0 hydroot pause low2
expect_exit 1 hydroot resume low2
# Another process says it once, too.
kill_serve "$(keeper_pid low2)"
rests() { status_key low2 '.warnings[]' | grep -c 'the fill rests until there is more'; }
said_again() { [ "$(rests)" = 1 ] && grep -c 'the fill rests' /run/hydroot/low2/log | grep -qx 2; }
wait_for 15 "the warning of the other process, alone" said_again
hydroot set low2 reserve=64M
expect_exit 0 hydroot wait low2 --for=resident --timeout=60s
assert_equal "warnings of what is over" '' "$(status_key low2 '.warnings[]' | grep 'less than the reserve')"
hydroot detach low2

# low-memory=stream: what is stored gives way to the reserve, and comes back when there is memory again.
attach low3 --low-memory=stream --rate=15M "$(nginx_url web test.hri)"
used_mib() { echo $(($(status_key low3 .store.used_bytes) >> 20)); }
is_above() { [ "$(used_mib)" -ge "$1" ]; }
same()
{
	timeout 60 dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" ||
		fail "low3: the device differs"
}
is_below() { [ "$(used_mib)" -lt "$1" ]; }
wait_for 30 "40 MiB to be stored" is_above 40
hydroot set low3 reserve=100%
wait_for 20 "mode stream" status_is low3 .mode stream
wait_for 20 "the store to give way" is_below 20
assert_contains "it was said" 'cache: [0-9]+ MiB of memory are available: taking at most' \
	<(daemon_log low3)
same
assert "it stays small" is_below 20
hydroot set low3 reserve=64M
same
assert "it may grow again" is_above 30
hydroot detach low3

attach low6 --low-memory=stream --reserve=100% "$(nginx_url web test.hri)"
assert_equal "the mode of an image that does not fit" stream "$(status_key low6 .mode)"
assert_contains "it was said" 'mode stream instead of hybrid' <(status_key low6 '.warnings[]')
hydroot detach low6

# Mode full, too, becomes stream, whether it is known before that the image does not fit or comes out while it is copied.
attach low4 --mode=full --low-memory=stream --reserve=100% "$(nginx_url web test.hri)"
assert_equal "the mode of an image that does not fit" stream "$(status_key low4 .mode)"
assert_contains "it was said" 'mode stream instead of full' <(status_key low4 '.warnings[]')
hydroot detach low4
hydroot attach --name=low5 --mode=full --low-memory=stream --rate=8M "$(nginx_url web test.hri)" >"$T/low5" 2>&1 &
copying=$!
defer end_attachment low5
copied() { [ "$(status_key low5 .resident.chunks 2>/dev/null)" -gt 10 ]; }
wait_for 20 "mode full to copy" copied
hydroot set low5 reserve=100%
wait $copying || fail "attach ends with $?: $(cat "$T/low5")"
assert_equal "the mode when memory runs low in the copy" stream "$(status_key low5 .mode)"
device=/dev/hydroot/low5
same
