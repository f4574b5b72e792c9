#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 120
# The background fill stops and goes on when told to; reads are served meanwhile.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach pause1 --rate=15M "$(nginx_url web test.hri)"
chunks() { status_key pause1 .resident.chunks; }
hydroot pause pause1
assert "state paused" status_is pause1 .state paused
sleep 1
before=$(chunks)
sleep 1.5
assert_equal "chunks while paused" "$before" "$(chunks)"
last=$(((n_chunks - 2) * chunk_bytes))
io read "$device" $last >/dev/null
note "resuming at $before chunks"
hydroot resume pause1
more() { [ "$(chunks)" -gt $((before + 2)) ]; }
wait_for 15 "more chunks" more
expect_exit 0 hydroot wait pause1 --for=resident --timeout=60s
