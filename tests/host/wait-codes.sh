#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# sanitizers: none
# hydroot wait: 0 done, 3 timed out, 4 will never be; 1 for a name that is not there; usage is 2.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach wait1 --fill=manual "$(nginx_url web test.hri)"
expect_exit 0 hydroot wait wait1 --for=ready --timeout=5s
start=$(now_ms)
expect_exit 3 hydroot wait wait1 --for=resident --timeout=1s
assert_below "ms of a wait of one second" 3000 $(($(now_ms) - start))
expect_exit 2 hydroot wait wait1 --for=breakfast
expect_exit 1 hydroot status nosuchname
hydroot resume wait1
expect_exit 0 hydroot wait wait1 --for=resident --timeout=60s
expect_exit 0 hydroot detach wait1
