#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# What is made from a tree mounts, and every entry is as it was: modes, owners, seconds of times, devices,
# holes, extended attributes and capabilities.
. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/fs-tree.sh"
requires root loop losetup setcap getcap mksquashfs mkfs.erofs mke2fs

make_tree "$T/a"
mkdir "$T/mnt"
list() { (cd "$1" && find . -mindepth 1 ! -name lost+found \( -type d -printf '%P %y %m %U:%G %T@\n' -o \
	-printf '%P %y %m %U:%G %s %n %T@ %l\n' \) | sed 's/\.[0-9]\{10\}//' | sort; cd "$1" && getcap -r . | sort; stat -c '%t:%T' dev/null); }
list "$T/a" >"$T/want"
seen=0
for fs in ext4 squashfs erofs xfs; do
	if ! hydroot-image build --fs=$fs "$T/a" "$T/$fs.hri" 2>"$T/err"; then
		assert_contains "$fs: an old mkfs.xfs is the only thing that may be wrong" 'mkfs.xfs .* cannot fill an XFS' "$T/err"
		note "no $fs here: $(tail -n 1 "$T/err")"
		continue
	fi
	hydroot-image extract "$T/$fs.hri" "$T/$fs"
	mount -o loop,ro -t $fs "$T/$fs" "$T/mnt" 2>"$T/err" || { note "no $fs here: $(cat "$T/err")"; continue; }
	list "$T/mnt" >"$T/got" || true
	umount "$T/mnt"
	diff "$T/want" "$T/got" || fail "$fs: entries differ"
	seen=$((seen + 1))
done
[ $seen -gt 0 ] || skip "this kernel mounts none of them"
