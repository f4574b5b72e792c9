#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Holes cost nothing to read and next to nothing to store, and give the same image as zeros.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

# 256 MiB and a bit in 64K chunks: five index pages, of which two hold no data.
truncate -s 257M "$tmp/fs"
for at in 0 130 256; do
	seq $at 20000 | dd of="$tmp/fs" bs=1M seek=$at conv=notrunc status=none
done
truncate -s 257M "$tmp/fs"
"$tool" build --chunk-size=64K "$tmp/fs" "$tmp/sparse.hri" 2>/dev/null
cp --sparse=never "$tmp/fs" "$tmp/full"
"$tool" build --chunk-size=64K "$tmp/full" "$tmp/full.hri" 2>/dev/null
cmp "$tmp/sparse.hri" "$tmp/full.hri" || fail "holes and zeros give different images"
"$tool" info "$tmp/sparse.hri" >"$tmp/info"
grep -q '^index-pages: 5 (2 zero)$' "$tmp/info" || fail "$(grep index-pages "$tmp/info")"
grep -q '^chunks: 4112 (' "$tmp/info" || fail "$(grep chunks "$tmp/info")"
[ "$(stat -c %s "$tmp/sparse.hri")" -lt 600000 ] || fail "a sparse image is large"
"$tool" verify "$tmp/sparse.hri" || fail verify
"$tool" extract "$tmp/sparse.hri" "$tmp/out"
cmp "$tmp/out" "$tmp/fs" || fail "extract gives other bytes"
[ "$(stat -c %b "$tmp/out")" -lt 4000 ] || fail "extract wrote zeros"

# More than an image of such chunks can have is known before anything is compressed, and which size would do.
if truncate -s 5T "$tmp/large" 2>/dev/null; then
	expect 1 'large: it has 5.0 TiB, too much for chunks of 64K: give --chunk-size=128K or more$' \
		timeout 20 "$tool" build --chunk-size=64K "$tmp/large" "$tmp/large.hri"
	[ ! -e "$tmp/large.hri" ] || fail "an image that is too large left its output"
else
	echo "this filesystem has no files of 5 TiB: not looked at"
fi
