#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 150
# The server goes away in the middle of the fill: the state says so, and it goes on by itself when
# the server is back.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach rest1 --rate=20M "$(nginx_url web test.hri)"
some() { [ "$(status_key rest1 .resident.chunks)" -gt $((n_chunks / 10)) ]; }
wait_for 30 "a tenth of the image" some
stop_nginx web
wait_for 40 "state stalled" status_is rest1 .state stalled
refute "stalled has no reason" status_is rest1 .reason ''
note "stalled: $(status_key rest1 .reason)"
restart_nginx web
expect_exit 0 hydroot wait rest1 --for=resident --timeout=90s
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
