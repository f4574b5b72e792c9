#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A directory becomes an ext4 that keeps owners, modes, extended attributes, capabilities, devices and holes,
# and has the same bytes on every day.
. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/fs-tree.sh"
requires mke2fs debugfs e2fsck setcap faketime

make_tree "$T/a"
if [ "$(id -u)" = 0 ]; then
	setfattr -n user.note -v 'a word' "$T/a/etc/os-release" 2>/dev/null || echo 'no setfattr, or no user.* here: not looked at'
	touch -h -d "$TREE_TIME" "$T/a/etc/os-release"
fi
copy_tree "$T/a" "$T/b"
cat "$T/b/etc/file1" >/dev/null
as_root hydroot-image build "$T/a" "$T/a.hri" 2>/dev/null
TZ=Asia/Tokyo another_day hydroot-image build --jobs=1 "$T/b" "$T/b.hri" 2>/dev/null
assert 'two copies, two days: the same bytes' cmp "$T/a.hri" "$T/b.hri"

hydroot-image extract "$T/a.hri" "$T/fs"
e2fsck -fn "$T/fs" >"$T/out" 2>&1 || { cat "$T/out"; fail e2fsck; }
inode() { debugfs -R "stat $1" "$T/fs" 2>/dev/null >"$T/inode"; } # PATH
inode /B
assert_contains 'owner' 'User: +1000 +Group: +1001' "$T/inode"
assert_contains 'mode' 'Type: directory +Mode: +02770' "$T/inode"
inode /dev/null
assert_contains 'device' 'character special' "$T/inode"
assert_contains 'its numbers' 'major/minor number: 0?1:0?3' "$T/inode"
inode /var/fifo
assert_contains 'fifo' 'Type: FIFO' "$T/inode"
inode /usr/bin/program
assert_contains 'setuid' 'Mode: +04755' "$T/inode"
assert_contains 'a hard link' 'Links: 2' "$T/inode"
inode /var/hole
assert_contains 'size of a file with holes' 'Size: 3000001' "$T/inode"
assert_below 'its blocks of 512 bytes' 65 "$(sed -n 's/.*Blockcount: *\([0-9]*\).*/\1/p' "$T/inode")"
debugfs -R "dump /var/hole $T/hole" "$T/fs" 2>/dev/null
assert 'its content' cmp "$T/hole" "$T/a/var/hole"
if [ "$(id -u)" = 0 ]; then
	debugfs -R "ea_list /usr/bin/capable" "$T/fs" >"$T/ea" 2>/dev/null
	assert_contains 'capabilities' 'security.capability' "$T/ea"
	if getfattr -n user.note "$T/a/etc/os-release" >/dev/null 2>&1; then
		debugfs -R "ea_list /etc/os-release" "$T/fs" >"$T/ea" 2>/dev/null
		assert_contains 'extended attributes' 'user.note.*"a word"' "$T/ea"
	fi
fi
