#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: asan
# All processes are killed in the middle of the fill: what was recorded by then is found again, and the device is
# the image.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
store=$T/cache

fetched() { status_key "$1" '.fetched | .demand_bytes + .fill_bytes + .hot_bytes'; }
has_much() { [ "$(fetched storekill)" -gt 40000000 ]; }

attach storekill --store="$store" --rate=15M "$(nginx_url web test.hri)"
wait_for 60 "a part of the image" has_much
# Into a chunk that is there, and one that is not.
dd if=/dev/urandom of="$device" bs=4096 count=1 seek=17 oflag=direct conv=notrunc status=none
dd if=/dev/urandom of="$device" bs=4096 count=1 seek=$((n_chunks * chunk_bytes / 8192 + 5)) \
	oflag=direct conv=notrunc status=none
refute "the fill was done before" status_is storekill .state cached
kill_daemons storekill
before=$(status_key storekill '.resident.bytes')
note "killed with $before bytes there"
wait_for 20 "hydroot detach" hydroot detach storekill

attach storekill --store="$store" "$(nginx_url web test.hri)"
assert_contains "what was found" 'store .*: [1-9][0-9]* of [0-9]* chunks of this image are there' \
	/run/hydroot/storekill/log
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
expect_exit 0 hydroot wait storekill --for=resident --timeout=90s
whole=$(awk '{ n += $3 } END { print n }' <(tests/chunks.sh "$image"))
note "fetched $(fetched storekill) of $whole bytes again"
assert_below "bytes fetched after the kill" $((whole * 9 / 10)) "$(fetched storekill)"
