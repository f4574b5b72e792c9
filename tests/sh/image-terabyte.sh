#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# A sparse terabyte costs its data: building, checking and extracting it take little memory and,
# beside the data, seconds.  DATA_MIB says how much of it is data, in eight places.

. "$(dirname "$0")/../lib.sh"
[ -x /usr/bin/time ] || skip "needs time; see tests/setup.sh"
requires jq
mib=${DATA_MIB:-32}
limit_kib=262144

truncate -s 1T "$T/fs" || skip "this filesystem has no files of 1 TiB"
for ((i = 0; i < 8; i++)); do
	head -c $((mib / 8))M /dev/urandom |
		dd of="$T/fs" bs=1M seek=$((i * 131072 + 77)) conv=notrunc status=none
done

# measured WHAT ARGUMENT...: prints time and memory, which has a limit
measured()
{
	local what=$1 seconds kib
	/usr/bin/time -o "$T/time" -f '%e %M' hydroot-image "$@" 2>"$T/err" ||
		{ cat "$T/err"; fail "$what"; }
	read -r seconds kib <"$T/time"
	echo "1 TiB, $mib MiB of it data: $what: $seconds s, $((kib / 1024)) MiB of memory"
	[ -n "${HYDROOT_LABEL-}" ] || assert_below "memory of $what in KiB" $limit_kib "$kib"
}

measured build --level=1 "$T/fs" "$T/x.hri"
measured verify "$T/x.hri"
measured extract "$T/x.hri" "$T/out"
for ((i = 0; i < 8; i++)); do
	cmp -n $((mib * 131072 + 4194304)) -i $(((i * 131072 + 76) * 1048576)) \
		"$T/fs" "$T/out" || fail "extract gives other bytes"
done
assert_equal "length" "$(stat -c %s "$T/fs")" "$(stat -c %s "$T/out")"
assert_below "blocks of the extracted file" $((mib * 2048 + 1024)) "$(stat -c %b "$T/out")"

hydroot-image info "$T/x.hri" >"$T/info"
assert_contains "all but eight index pages are zero" '^index-pages: 2048 \(2040 zero\)$' "$T/info"
sections=$(hydroot-image info --json "$T/x.hri" | jq -c '.sections | map_values(.bytes)')
echo "bytes: $(stat -c %s "$T/x.hri") of file, $sections"
attach_bytes=$(sed -n 's/^attach-bytes: \([0-9]*\).*/\1/p' "$T/info")
assert_below "bytes that an attach needs" 262144 "$attach_bytes"
echo "an attach needs the first $attach_bytes bytes"
