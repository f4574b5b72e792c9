#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A directory becomes an erofs that keeps all of the tree and has the same bytes on every day.
. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/fs-tree.sh"
requires mkfs.erofs dump.erofs fsck.erofs setcap faketime

make_tree "$T/a"
copy_tree "$T/a" "$T/b"
cat "$T/b/etc/file1" >/dev/null
as_root hydroot-image build --fs=erofs "$T/a" "$T/a.hri" 2>/dev/null
SOURCE_DATE_EPOCH=99 TZ=Asia/Tokyo another_day \
	hydroot-image build --jobs=1 --fs=erofs "$T/b" "$T/b.hri" 2>/dev/null
assert 'two copies, two days: the same bytes' cmp "$T/a.hri" "$T/b.hri"

hydroot-image info "$T/a.hri" >"$T/info"
assert_contains 'named' '"filesystem":"erofs"' "$T/info"
hydroot-image extract "$T/a.hri" "$T/fs"
assert_equal 'whole blocks' 0 $(($(stat -c %s "$T/fs") % 4096))
assert 'sound' fsck.erofs "$T/fs" >/dev/null
dump.erofs --path=/usr/bin/program "$T/fs" >"$T/out"
assert_contains 'hard link' 'Links: 2' "$T/out"
nid=$(sed -n 's/^NID: \([0-9]*\) .*/\1/p' "$T/out")
assert_equal 'setuid' 104755 "$(od -An -j $((nid * 32 + 4)) -N 2 -t o2 "$T/fs" | tr -d ' ')"
assert_contains 'time' '2024-02-29' "$T/out"
dump.erofs --path=/B "$T/fs" >"$T/out"
assert_contains 'owner' 'Uid: 1000 *Gid: 1001' "$T/out"

if [ "$(id -u)" = 0 ]; then
	dump.erofs --path=/usr/bin/capable "$T/fs" >"$T/out"
	assert_contains 'capabilities' 'Xattr size: [1-9]' "$T/out"
	fsck.erofs --extract="$T/out.d" "$T/fs" >"$T/out" 2>&1 || { cat "$T/out"; fail extract; }
	list() { (cd "$1" && find . ! -type d -printf '%P %y %U:%G %s %T@ %l\n' | sort); }
	diff <(list "$T/a") <(list "$T/out.d") || fail "owners, sizes, times or devices"
	assert 'content with holes' cmp "$T/out.d/var/hole" "$T/a/var/hole"
fi
