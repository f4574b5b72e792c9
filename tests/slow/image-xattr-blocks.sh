#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An extended attribute that does not fit into its inode takes a block of the filesystem that is made of a directory: there
# is room for one on every file.
. "$(dirname "$0")/../lib.sh"
requires mke2fs e2fsck debugfs setfattr

mkdir "$T/tree"
touch "$T/tree/file"
setfattr -n user.note -v x "$T/tree/file" 2>/dev/null || skip "the filesystem of $T has no user.* attributes"
# More than fit into what stays free otherwise.
for ((i = 0; i < 110; i++)); do mkdir "$T/tree/$i"; done
(cd "$T/tree" && seq 0 21999 | awk '{ print $1 % 110 "/" $1 }' | xargs touch)
value=$(printf '%0300d' 7)
find "$T/tree" -type f -print0 | xargs -0 setfattr -n user.signature -v "$value"
hydroot-image build --level=1 "$T/tree" "$T/x.hri" >"$T/out" 2>&1 || { cat "$T/out"; fail "not built"; }
hydroot-image extract "$T/x.hri" "$T/fs"
e2fsck -fn "$T/fs" >"$T/out" 2>&1 || { cat "$T/out"; fail e2fsck; }
debugfs -R "ea_get /17/17 user.signature" "$T/fs" >"$T/ea" 2>/dev/null
assert_contains "the attribute" "$value" "$T/ea"
