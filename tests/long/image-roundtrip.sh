#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sanitizers: tsan
# An image gives back its filesystem image byte for byte, by our tool and by zstd, and its bytes
# depend on neither the number of jobs nor the way in which the input came.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

command -v mke2fs >/dev/null && command -v zstd >/dev/null || exit 77

mib=64 sizes='64K 128K 256K 512K 1M 2M 4M'
# With a sanitizer it is the threads that are looked at.
[ -z "${HYDROOT_LABEL-}" ] || mib=16 sizes='64K 1M'

mkdir "$tmp/tree"
seq 1 200000 >"$tmp/tree/numbers"
head -c 3000000 "$tool" >"$tmp/tree/program"
truncate -s ${mib}M "$tmp/fs"
mke2fs -q -F -t ext4 -b 4096 -d "$tmp/tree" "$tmp/fs"

for size in $sizes; do
	"$tool" build --chunk-size="$size" --jobs=1 "$tmp/fs" "$tmp/1.hri"
	"$tool" build --chunk-size="$size" --jobs=7 "$tmp/fs" "$tmp/7.hri"
	cmp "$tmp/1.hri" "$tmp/7.hri" || fail "$size: bytes depend on --jobs"
	"$tool" build --chunk-size="$size" - "$tmp/stdin.hri" <"$tmp/fs"
	cmp "$tmp/1.hri" "$tmp/stdin.hri" || fail "$size: standard input gives other bytes"
	"$tool" verify "$tmp/1.hri" || fail "$size: verify"
	"$tool" verify --jobs=1 "$tmp/1.hri" || fail "$size: verify with one thread"
	for jobs in 1 5; do
		rm -f "$tmp/out"
		"$tool" extract --jobs=$jobs "$tmp/1.hri" "$tmp/out"
		cmp "$tmp/out" "$tmp/fs" || fail "$size: extract gives other bytes"
	done
	zstd -dcq "$tmp/1.hri" | cmp - "$tmp/fs" || fail "$size: zstd -dc gives other bytes"
	zstd -tq "$tmp/1.hri" || fail "$size: zstd -t"
done

"$tool" extract "$tmp/1.hri" "$tmp/out"
cmp "$tmp/out" "$tmp/fs" || fail "extract gives other bytes"
[ "$(stat -c %b "$tmp/out")" -lt 100000 ] || fail "extract wrote zeros"

for part in 0:1 1:4095 4095:2 65536:65536 1000000:5000001 $(((mib << 20) - 1)):1 $((mib << 20)):0; do
	"$tool" extract --offset="${part%:*}" --length="${part#*:}" "$tmp/1.hri" "$tmp/part"
	tail -c +$((${part%:*} + 1)) "$tmp/fs" | head -c "${part#*:}" >"$tmp/want"
	cmp "$tmp/part" "$tmp/want" || fail "extract of $part gives other bytes"
done
"$tool" extract --offset=${mib}M --length=1 "$tmp/1.hri" "$tmp/beyond" 2>/dev/null &&
	fail "extract beyond the end succeeded"
[ ! -e "$tmp/beyond" ] || fail "a failed extract left its output"

# An odd end is padded with zeros to 4096 bytes.
head -c 70001 "$tmp/tree/program" >"$tmp/odd"
"$tool" build --chunk-size=64K "$tmp/odd" "$tmp/odd.hri" 2>/dev/null
truncate -s 73728 "$tmp/odd"
zstd -dcq "$tmp/odd.hri" | cmp - "$tmp/odd" || fail "padding"
