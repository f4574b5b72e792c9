#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A reader of the zstd seekable format that knows nothing of hydroot finds every byte by the seek table.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

command -v mke2fs >/dev/null || exit 77
seekread=build/tests/seekread
[ -x $seekread ] || exit 77

mkdir "$tmp/tree"
seq 1 300000 >"$tmp/tree/numbers"
head -c 3000000 "$tool" >"$tmp/tree/program"
truncate -s 24M "$tmp/fs"
mke2fs -q -F -t ext4 -b 4096 -d "$tmp/tree" "$tmp/fs"

for size in 64K 512K 4M; do
	"$tool" build --chunk-size=$size "$tmp/fs" "$tmp/x.hri"
	frames=$($seekread "$tmp/x.hri" frames)
	[ "${frames#* }" = 25165824 ] || fail "$size: the table is of $frames bytes"
	for part in 0:4096 0:25165824 65535:2 524287:70000 4194300:8 20000000:5165824 25165823:1; do
		$seekread "$tmp/x.hri" "${part%:*}" "${part#*:}" >"$tmp/got"
		tail -c +$((${part%:*} + 1)) "$tmp/fs" | head -c "${part#*:}" >"$tmp/want"
		cmp "$tmp/got" "$tmp/want" || fail "$size: $part differs"
	done
done
# It would notice: a table that says something else is refused.
size=$(stat -c %s "$tmp/x.hri")
printf '\377' | dd of="$tmp/x.hri" bs=1 seek=$((size - 17)) conv=notrunc status=none
if $seekread "$tmp/x.hri" frames >"$tmp/got" 2>"$tmp/err"; then fail "a wrong table passes"; fi
