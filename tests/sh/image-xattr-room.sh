#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The filesystem that is made of a directory has a block more for each file with an extended attribute that does not fit into
# the inode, and none for one that does.  tests/slow/image-xattr-blocks.sh fills one.
. "$(dirname "$0")/../lib.sh"
requires mke2fs e2fsck setfattr jq

mkdir "$T/tree"
touch "$T/tree/file"
setfattr -n user.note -v x "$T/tree/file" 2>/dev/null || skip "the filesystem of $T has no user.* attributes"
for i in {0..9}; do mkdir "$T/tree/$i"; done
(cd "$T/tree" && seq 0 2047 | awk '{ print $1 % 10 "/" $1 }' | xargs touch)

mib() # VALUE: the size of the filesystem when each file has this one
{
	find "$T/tree" -type f -print0 | xargs -0 setfattr -n user.signature -v "$1"
	hydroot-image build --level=1 "$T/tree" "$T/x.hri" 2>"$T/err" || { cat "$T/err" >&2; fail "not built"; }
	echo $(($(hydroot-image info --json "$T/x.hri" | jq .image_bytes) >> 20))
}
small=$(mib 'a word')
large=$(mib "$(printf '%0300d' 7)")
echo "MiB with small attributes: $small, with large ones: $large"
# 2049 blocks, a quarter more, and two percent.
assert_equal "MiB more" 10 $((large - small))
hydroot-image extract "$T/x.hri" "$T/fs"
e2fsck -fn "$T/fs" >"$T/out" 2>&1 || { cat "$T/out"; fail e2fsck; }
