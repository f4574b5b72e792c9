#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: asan
# A store in a file is found again: what was whole is not fetched a second time, what was written to is, and
# the device is the image again.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
store=$T/cache

flip_byte() # FILE OFFSET
{
	local byte
	byte=$(od -An -tu1 -j "$2" -N1 "$1" | tr -d ' ')
	printf '%b' "\\x$(printf %02x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
fetched() { status_key "$1" '.fetched | .demand_bytes + .fill_bytes + .hot_bytes'; }
tests/chunks.sh "$image" >"$T/chunks"
chunk_length() { awk -v ci="$1" '$1 == ci { print $3 }' "$T/chunks"; }
data_chunk() { awk -v n="$1" '$3 > 4096 && ++k == n { print $1 }' "$T/chunks"; } # N: the N-th with data

remembered() { sed -n 's/.*store .*: \([0-9]*\) of [0-9]* chunks of this image are there/\1/p' \
	/run/hydroot/store1/log; }

note "the first life: fill, write into three chunks"
attach store1 --store="$store" "$(nginx_url web test.hri)"
expect_exit 0 hydroot wait store1 --for=resident --timeout=90s
assert_equal "state" cached "$(status_key store1 .state)"
assert_equal "store.kind" file "$(status_key store1 .store.kind)"
assert_equal "a writable device stays with the daemon" none "$(status_key store1 .handover.method)"
first=$(fetched store1)
dirty=("$(data_chunk 2)" "$(data_chunk 50)" "$(data_chunk 150)")
for ci in "${dirty[@]}"; do
	dd if=/dev/urandom of="$device" bs=4096 count=1 seek=$((ci * chunk_bytes / 4096 + 3)) \
		oflag=direct conv=notrunc status=none
done
wanted=0
for ci in "${dirty[@]}"; do wanted=$((wanted + $(chunk_length "$ci"))); done
refute "what was written is not there" cmp -s "$device" "$raw"
# Somebody else may not have it meanwhile.
expect_exit 1 timeout 60 hydroot attach --name=store2 --store="$store" "$(nginx_url web test.hri)"
assert_contains "the second attachment" 'another attachment uses it' "$T/out"
timeout 20 hydroot detach store2 2>/dev/null || true
expect_exit 0 hydroot detach store1

note "the second life: nothing but those three is fetched"
attach store1 --store="$store" "$(nginx_url web test.hri)"
second=$(remembered)
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
expect_exit 0 hydroot wait store1 --for=resident --timeout=90s
assert_equal "bytes fetched for the chunks that were written" "$wanted" "$(fetched store1)"
note "fetched $first bytes at first, $wanted again"
expect_exit 0 hydroot detach store1

note "the third life: nothing at all"
attach store1 --store="$store" "$(nginx_url web test.hri)"
# Not left to the hash: the journal itself did not say that those three were there.
assert_equal "chunks remembered" $((second + 3)) "$(remembered)"
expect_exit 0 hydroot wait store1 --for=resident --timeout=90s
assert_equal "bytes fetched" 0 "$(fetched store1)"
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
expect_exit 0 hydroot detach store1

note "a flipped bit in the file: that chunk is fetched again"
flipped=$(data_chunk 9)
data_off=$(($(stat -c %s "$store") - $(stat -c %s "$raw")))
flip_byte "$store" $((data_off + flipped * chunk_bytes + 77))
attach store1 --store="$store" "$(nginx_url web test.hri)"
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
assert_equal "bytes fetched" "$(chunk_length "$flipped")" "$(fetched store1)"
assert_contains "it is said" 'not what was stored' /run/hydroot/store1/log
