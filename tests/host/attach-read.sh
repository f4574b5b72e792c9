#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 120
# An attached device holds the image: at random offsets in any order, and from end to end.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach read1 --fill=manual "$(nginx_url web test.hri)"
assert_equal "size of the device" "$(stat -c %s "$raw")" "$(blockdev --getsize64 "$device")"
note "random reads"
data_offsets 60 7 >"$T/offsets"
io readers "$device" "$T/got" "$T/offsets"
expected_blocks "$raw" "$T/offsets" >"$T/want"
assert "random blocks are the image's" cmp "$T/got" "$T/want"
assert_below "bytes fetched for 60 blocks" "$(stat -c %s "$image")" \
	"$(nginx_bytes "$(nginx_log web)")"

note "whole device"
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
for key in schema name mode state image.digest resident.chunks fetched.wire_bytes store.device \
	handover.method seconds.ready; do
	refute "status has no $key" status_is read1 ".$key" null
done
assert_equal "name in status" read1 "$(status_key read1 .name)"
