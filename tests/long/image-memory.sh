#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# Building, checking and extracting take less than 256 MiB whatever --jobs and the chunk size are, and the
# bytes stay the same.
. "$(dirname "$0")/../lib.sh"
[ -x /usr/bin/time ] || skip "needs time; see tests/setup.sh"
limit_kib=262144

# Enough for each of the jobs: text, which is compressed, not passed on.
seq 1 7000000 >"$T/fs"

measured() # ARGUMENT...
{
	local kib
	/usr/bin/time -o "$T/time" -f '%M' hydroot-image "$@" 2>"$T/err" || { cat "$T/err"; fail "$*"; }
	kib=$(tail -n 1 "$T/time")
	echo "$* takes $((kib / 1024)) MiB"
	assert_below "memory of $* in KiB" $limit_kib "$kib"
}

for size in 512K 4M; do
	hydroot-image build --level=1 --jobs=1 --chunk-size=$size "$T/fs" "$T/want.hri" 2>/dev/null
	measured build --level=1 --jobs=64 --chunk-size=$size "$T/fs" "$T/x.hri"
	assert "chunks of $size: the same bytes" cmp "$T/want.hri" "$T/x.hri"
	measured verify --jobs=64 "$T/x.hri"
	measured extract --jobs=64 "$T/x.hri" "$T/raw"
done
measured build --jobs=256 --chunk-size=512K "$T/fs" "$T/x.hri"
# At high levels each thread has large tables.
head -c 16M "$T/fs" >"$T/small"
measured build --level=19 --jobs=8 --chunk-size=4M "$T/small" "$T/x.hri"
