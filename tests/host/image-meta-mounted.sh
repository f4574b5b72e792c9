#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# META of an XFS, btrfs, erofs or squashfs image is that of its tree, also behind a partition table; one
# with a log to be replayed is not guessed at; the image is not written to, and nothing stays attached.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root loop losetup mkfs.xfs mkfs.btrfs mkfs.erofs mksquashfs sfdisk jq
mkdir -p "$T/tree/usr/bin" "$T/tree/usr/lib/modules/6.1.0-9/kernel" "$T/tree/etc" "$T/mnt"
printf '\177ELF\002\001\001\0\0\0\0\0\0\0\0\0\002\0\267\0\001\0\0\0' >"$T/tree/usr/bin/sh"
ln -s usr/bin "$T/tree/bin"
ln -s usr/lib "$T/tree/lib"
echo ID=debian >"$T/tree/usr/lib/os-release"

mksquashfs "$T/tree" "$T/fs.squashfs" -quiet -no-progress
mkfs.erofs "$T/fs.erofs" "$T/tree" >/dev/null
truncate -s 320M "$T/fs.xfs" "$T/fs.btrfs"
mkfs.xfs -q -s size=4096 "$T/fs.xfs"
mkfs.btrfs -q --sectorsize 4096 "$T/fs.btrfs" >/dev/null

# Copied while it is mounted, an XFS has a log to replay.
fill() # FILESYSTEM
{
	mount -o loop "$T/fs.$1" "$T/mnt" || skip "cannot mount $1 here"
	defer umount -q "$T/mnt"
	cp -a "$T/tree/." "$T/mnt/"
	sync -f "$T/mnt"
	[ "$1" != xfs ] || cp --sparse=always "$T/fs.xfs" "$T/dirty.xfs"
	umount "$T/mnt"
}
fill btrfs
fill xfs

look() # FILE
{
	local sum
	sum=$(sha256sum <"$1")
	hydroot-image build "$1" "$T/x.hri" 2>"$T/err"
	assert_equal "META of ${1##*/}" '{"architecture":"aarch64","kernels":["6.1.0-9"],"os":"debian"}' \
		"$(hydroot-image info --json "$T/x.hri" |
			jq -cS '.meta | {architecture, kernels, os: .os_release.ID}')"
	assert_equal "${1##*/} afterwards" "$sum" "$(sha256sum <"$1")"
	assert_equal "loop devices on ${1##*/}" '' "$(losetup --noheadings --associated "$1" --output NAME --raw)"
}
for fs in squashfs erofs btrfs xfs; do
	look "$T/fs.$fs"
done
hydroot-image build "$T/dirty.xfs" "$T/x.hri" 2>"$T/err"
assert_contains "a dirty XFS" 'cannot look into its xfs .was it unmounted' "$T/err"

truncate -s 340M "$T/disk"
echo 'start=4096, type=linux' | sfdisk -q "$T/disk"
dd if="$T/fs.xfs" of="$T/disk" bs=512 seek=4096 conv=notrunc,sparse status=none
look "$T/disk"
