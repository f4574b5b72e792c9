#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: asan
# hydroot set changes the rate of a running fill: nothing more is asked for, then all of it.  Wrong values
# change nothing, also not the right ones beside them; what cannot be changed is said.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach set1 --rate=1M "$(nginx_url web test.hri)"
requests() { wc -l <"$(nginx_log web)"; }
rate() { status_key set1 .settings.rate_bytes; }
assert_equal "rate" 1048576 "$(rate)"

note "a rate at which the next request is days away"
expect_exit 0 hydroot set set1 rate=1
assert_equal "rate" 1 "$(rate)"
quiet() # what is under way arrives; then the log stays as it is for a second and a half
{
	local before
	before=$(requests)
	sleep 1.5
	[ "$(requests)" = "$before" ]
}
wait_for 30 "the fill to stop" quiet
before=$(requests) bytes=$(nginx_bytes "$(nginx_log web)")
refute "it is all there already" status_is set1 .state resident
assert "state" status_is set1 .state filling

note "wrong and unsupported values"
expect_exit 2 hydroot set set1 rate=0 rate=fast
expect_exit 1 hydroot set set1 rate=0 server=-http://nowhere/i.hri
assert_contains "message" 'set1: set: server: there is none of that URL to remove' "$T/out"
assert_equal "rate after refusals" 1 "$(rate)"
sleep 1
assert_equal "requests after refusals" "$before" "$(requests)"

note "demand is not held back by the rate"
last=$(tests/chunks.sh "$image" | awk '$3 > 4096 { ci = $1 } END { print ci }')
timeout 30 io read "$device" $((last * chunk_bytes)) >/dev/null
[ "$(requests)" -gt "$before" ] || fail "the read asked for nothing"
assert_below "bytes for one read" $((bytes + 2 * 1024 * 1024)) "$(nginx_bytes "$(nginx_log web)")"

note "all of it"
expect_exit 0 hydroot set set1 rate=0
expect_exit 0 hydroot wait set1 --for=resident --timeout=60s
expect_exit 1 hydroot set set1 rate=5M
