#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: asan
# The first of two servers has a wrong bit in one chunk: the data is right all the same, and the
# log and the status say which chunk of which server was refused.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
mkdir "$T/flipped"
chunk=$(tests/flip.sh "$image" "$T/flipped/test.hri")
start_nginx bad "$T/flipped"
start_nginx good "$served"

attach flip1 "$(nginx_url bad test.hri)" "$(nginx_url good test.hri)" 2>"$T/attach.log"
evidence+=("$T/attach.log")
expect_exit 0 hydroot wait flip1 --for=resident --timeout=60s
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
hydroot status flip1 --json >"$T/status"
assert "errors of the first server are counted" \
	jq -e '.servers[0].errors > 0' "$T/status"
assert_contains "its last error names chunk $chunk" "chunk $chunk([^0-9]|$)" \
	<(jq -r '.servers[0].last_error' "$T/status")
assert_contains "the log names chunk $chunk" "chunk $chunk([^0-9]|$)" <(daemon_log flip1)
