#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A directory becomes an XFS where mkfs.xfs can fill one; an old one is refused with what to do.
. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/fs-tree.sh"
requires mkfs.xfs setcap

make_tree "$T/a"
version=$(mkfs.xfs -V | sed 's/.*version //')
if [ "$(printf '%s\n' 6.17 "$version" | sort -V | head -n 1)" != 6.17 ]; then
	expect_exit 1 as_root hydroot-image build --fs=xfs "$T/a" "$T/a.hri"
	assert_contains 'says why and what to do' \
		"mkfs.xfs ${version%.*} cannot fill .*6.17 can; use --fs=ext4" "$T/out"
	refute 'no output' test -e "$T/a.hri"
	exit 0
fi
copy_tree "$T/a" "$T/b"
as_root hydroot-image build --fs=xfs "$T/a" "$T/a.hri" 2>/dev/null
sleep 1.1
as_root hydroot-image build --fs=xfs "$T/b" "$T/b.hri" 2>/dev/null
assert 'the same bytes' cmp "$T/a.hri" "$T/b.hri"
hydroot-image extract "$T/a.hri" "$T/fs"
assert 'sound' xfs_repair -n -f "$T/fs" >"$T/out" 2>&1
