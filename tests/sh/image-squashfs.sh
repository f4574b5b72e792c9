#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A directory becomes a squashfs that keeps all of the tree and has the same bytes on every day.
. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/fs-tree.sh"
requires mksquashfs unsquashfs setcap faketime

make_tree "$T/a"
copy_tree "$T/a" "$T/b"
cat "$T/b/etc/file1" >/dev/null
as_root hydroot-image build --fs=squashfs "$T/a" "$T/a.hri" 2>/dev/null
SOURCE_DATE_EPOCH=99 TZ=Asia/Tokyo another_day \
	hydroot-image build --jobs=1 --fs=squashfs "$T/b" "$T/b.hri" 2>/dev/null
assert 'two copies, two days: the same bytes' cmp "$T/a.hri" "$T/b.hri"

hydroot-image info "$T/a.hri" >"$T/info"
assert_contains 'named' '"filesystem":"squashfs"' "$T/info"
hydroot-image extract "$T/a.hri" "$T/fs"
assert_equal 'padded to 4096' 0 $(($(stat -c %s "$T/fs") % 4096))
unsquashfs -lln -d '' "$T/fs" >"$T/list"
assert_contains 'owner and mode' '^drwxrws--- 1000/1001 .* /B$' "$T/list"
assert_contains 'device' '^crw-.* 1, *3 .*/dev/null$' "$T/list"
assert_contains 'setuid, time' '^-rwsr-xr-x .* 2024-02-29 .*/usr/bin/program$' "$T/list"
assert_contains 'symbolic link' 'link -> program$' "$T/list"
assert_contains 'size of a file with holes' ' 3000001 .*/var/hole$' "$T/list"
unsquashfs -q -n -no-xattrs -d "$T/out.d" "$T/fs" usr/bin var/hole >"$T/out" 2>&1
assert 'content' cmp "$T/out.d/usr/bin/another" "$T/a/usr/bin/program"
assert 'content with holes' cmp "$T/out.d/var/hole" "$T/a/var/hole"
assert 'a hard link' test "$T/out.d/usr/bin/another" -ef "$T/out.d/usr/bin/program"
if [ "$(id -u)" = 0 ]; then
	unsquashfs -q -n -d "$T/caps" "$T/fs" usr/bin >"$T/out" 2>&1
	getcap "$T/caps/usr/bin/capable" >"$T/caps.txt"
	assert_contains 'capabilities' 'cap_net_raw' "$T/caps.txt"
fi
