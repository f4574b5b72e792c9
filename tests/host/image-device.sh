#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# A block device is read as a file is, also one with partitions; one that is mounted is warned of.
. "$(dirname "$0")/../lib.sh"
requires root loop losetup sfdisk mke2fs

mkdir -p "$T/root/etc" "$T/mnt"
seq 50000 >"$T/root/etc/os-release"
mke2fs -q -t ext4 -b 4096 -d "$T/root" "$T/fs" 24M
truncate -s 64M "$T/disk"
printf 'label: gpt\nsize=24M\nsize=8M\n' | sfdisk -q "$T/disk" >/dev/null
dd if="$T/fs" of="$T/disk" bs=1M seek=1 conv=notrunc,sparse status=none
hydroot-image build "$T/fs" "$T/want.hri" 2>/dev/null

attach_loop "$T/fs"
expect_exit 0 hydroot-image build "$loop" "$T/x.hri"
assert 'a filesystem on a device' cmp "$T/want.hri" "$T/x.hri"
mount -o ro "$loop" "$T/mnt"
defer umount "$T/mnt"
expect_exit 0 hydroot-image build "$loop" "$T/x.hri"
assert_contains 'mounted' 'is mounted or in use' "$T/out"

attach_loop "$T/disk"
expect_exit 0 hydroot-image build --partition=auto "$loop" "$T/x.hri"
assert_contains 'says which' 'partition 1, 24.0 MiB, ext4' "$T/out"
assert 'a partition of a device' cmp "$T/want.hri" "$T/x.hri"
