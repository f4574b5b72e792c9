#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: none
# Every compression of zram that the kernel has carries the image; one that it has not is said and replaced.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

chosen() { grep -o '\[[a-z0-9-]*\]' "/sys/block/$1/comp_algorithm" | tr -d '[]'; } # zramN
fill() # ALGORITHM
{
	attach zramalg --zram-algorithm="$1" "$(nginx_url web test.hri)"
	zram=$(status_key zramalg .store.device)
	expect_exit 0 hydroot wait zramalg --for=resident --timeout=90s
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "$1: the device differs"
	used=$(status_key zramalg .store.used_bytes)
	assert "$1: the status has what is used" test "$used" -gt 0
	note "$1: $(chosen "${zram#/dev/}"), $used bytes"
}

tested=0
for algorithm in lz4 lzo-rle zstd; do
	grep -qw -- "$algorithm" /sys/block/zram0/comp_algorithm 2>/dev/null || continue
	fill $algorithm
	assert_equal "the device's compression" $algorithm "$(chosen "${zram#/dev/}")"
	expect_exit 0 hydroot detach zramalg
	tested=$((tested + 1))
done
fill no-such-thing
message='zram-algorithm=no-such-thing: wrong value: accepted: .*lz'
assert_contains "what is missing is said" "$message" /run/hydroot/zramalg/log
status_key zramalg '.warnings[]' >"$T/warnings"
assert_contains "and stays in the status" "^$message" "$T/warnings"
expect_exit 0 hydroot detach zramalg
note "$tested of lz4, lzo-rle and zstd are in this kernel"
