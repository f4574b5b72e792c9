#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: tsan
# The image lies in a file whose filesystem stops answering, as NFS does when its server is away: reads go on from the next
# server, and the network process does not hang.  The filesystem here is one of ours, whose own server is away.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/hangs.sh
. "$(dirname "$0")/../hangs.sh"
requires root fuse loop zram nginx jq hydrootd mke2fs
host_image

start_nginx web "$served"
mount_hanging hangs1

attach hangs2 --fill=manual --store=memory --timeout=2s --server="$(nginx_url web test.hri)" "file://$T/mnt/test.hri"
data_offsets 60 7 >"$T/offsets"
blocks_are_right 1 10
assert_equal "requests by HTTP while the file answers" 0 "$(nginx_bytes "$(nginx_log web)")"

stop_nginx outer
note "the file's filesystem waits for its server"
blocks_are_right 11 60
assert "errors of the file" test "$(status_key hangs2 '.servers[0].errors')" -gt 0
assert_contains "what the file's error is" 'no byte of the file for 2000 ms' <(daemon_log hangs2)
assert_equal "network processes replaced" 0 "$(status_key hangs2 .net_restarts)"
assert "bytes came by HTTP" test "$(nginx_bytes "$(nginx_log web)")" -gt 0

note "it answers again"
answers
expect_exit 0 hydroot resume hangs2
expect_exit 0 hydroot wait hangs2 --for=resident --timeout=60s
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
assert_equal "network processes replaced at the end" 0 "$(status_key hangs2 .net_restarts)"
