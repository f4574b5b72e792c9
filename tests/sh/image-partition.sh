#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The root of a partitioned disk is found by its type or by looking, never by guessing, and what
# comes out is the filesystem alone, at any offset, whatever its holes.
. "$(dirname "$0")/../lib.sh"
requires sfdisk mke2fs debugfs

mkdir -p "$T/root/etc" "$T/root/sbin"
echo 'ID=test' >"$T/root/etc/os-release"
mke2fs -q -t ext4 -b 4096 -d "$T/root" "$T/fs" 24M
mke2fs -q -t ext4 -b 4096 "$T/empty" 24M
hydroot-image build "$T/fs" "$T/want.hri" 2>/dev/null

disk() # LABEL LINE...: 24 MiB each, the first starts at 1 MiB
{
	rm -f "$T/disk"
	truncate -s 128M "$T/disk"
	printf '%s\n' "label: $1" 'first-lba: 2048' "${@:2}" >"$T/table"
	[ "$1" = gpt ] || sed -i /first-lba/d "$T/table"
	sfdisk -q "$T/disk" <"$T/table" >"$T/out" 2>&1 || { cat "$T/out"; fail sfdisk; }
}
put() { dd if="$T/$1" of="$T/disk" bs=1M seek="$2" conv=notrunc,sparse status=none; }
gives() # WHAT PATTERN OPTION...: the filesystem that was put in
{
	expect_exit 0 hydroot-image build "${@:3}" "$T/disk" "$T/got.hri"
	assert_contains "$1" "$2" "$T/out"
	assert "$1: the partition, byte for byte" cmp -s "$T/want.hri" "$T/got.hri"
}
refuses() # WHAT PATTERN OPTION...
{
	rm -f "$T/none.hri"
	expect_exit 1 hydroot-image build "${@:3}" "$T/disk" "$T/none.hri"
	assert_contains "$1" "$2" "$T/out"
	refute "$1: left an output" test -e "$T/none.hri"
}

X86=4f68bce3-e8cd-4db1-96e7-fbcaf984b709
ARM=b921b045-1df0-41c3-af44-4c6f280d3fae
LINUX=0fc63daf-8483-4772-8e79-3d69d8477de4

disk gpt "size=24M, type=$LINUX" "size=24M, type=$X86"
put empty 1
put fs 25
gives 'by type' 'partition 2, 24.0 MiB, ext4: .*type'
gives 'by type, asked for' 'partition 2, ' --partition=auto
gives 'by number' 'partition 2.*as you say' --partition=2
refuses 'a number that is not there' 'has no partition 7' --partition=7
assert_contains 'all are listed' 'partition 1: 24.0 MiB, ext4' "$T/out"

disk gpt "size=24M, type=$ARM" "size=24M, type=$X86"
put fs 1
put fs 25
case $(uname -m) in
x86_64) gives 'by architecture' "partition 2.*this machine's architecture" ;;
aarch64) gives 'by architecture' "partition 1.*this machine's architecture" ;;
*) refuses 'two roots of other machines' 'give --partition=N' ;;
esac

disk gpt "size=24M, type=$LINUX" "size=24M, type=$LINUX"
put fs 1
gives 'the only filesystem' 'partition 1.*only one with a filesystem'
put empty 25
gives 'by looking' 'partition 1.*os-release or an init'
put fs 25
refuses 'two roots' 'give --partition=N'

disk dos 'size=8M, type=82' 'start=40960, size=100000, type=5' 'start=150000, size=2048, type=82' 'start=160000, size=2048, type=82' 'size=24M, type=83'
at=$(sfdisk -d "$T/disk" | sed -n 's/.*disk5 : start= *\([0-9]*\).*/\1/p')
dd if="$T/fs" of="$T/disk" bs=512 seek="$at" conv=notrunc,sparse status=none
gives 'a logical partition of an MBR' 'partition 5'

# A partition at an odd sector that holds 1K blocks is refused as any filesystem is.
mke2fs -q -F -t ext4 -b 1024 "$T/small" 24M
disk gpt "size=24M, type=$X86"
put small 1
refuses 'blocks of 1K' 'mke2fs -b 4096'

# The disk ends before its partition does.
put fs 1
truncate -s 20M "$T/disk"
refuses 'a disk cut short' 'partition'

# A boot partition in ext4 beside a root in XFS, btrfs or squashfs, which only root can look into.
mke2fs -q -F -t ext4 -b 4096 "$T/empty" 24M
root_in() # FILESYSTEM MIB
{
	rm -f "$T/disk"
	truncate -s 440M "$T/disk"
	printf '%s\n' 'label: gpt' 'first-lba: 2048' "size=24M, type=$LINUX" \
		"size=$2M, type=$LINUX" | sfdisk -q "$T/disk" >/dev/null
	put empty 1
	put root.fs 25
	hydroot-image build "$T/root.fs" "$T/want.hri" 2>/dev/null
	gives "a root in $1" 'partition 2.*os-release or an init'
}
if command -v mksquashfs unsquashfs >/dev/null; then
	mksquashfs "$T/root" "$T/root.fs" -quiet -no-progress >/dev/null
	truncate -s 24M "$T/root.fs" # as large as the partition
	root_in squashfs 24
fi
# mount_root FILESYSTEM: as root, with loop devices and that filesystem
mount_root()
{
	[ "$(id -u)" = 0 ] && grep -qw "$1" /proc/filesystems && [ -c /dev/loop-control ] &&
		mkdir -p "$T/mnt" && mount -o loop "$T/root.fs" "$T/mnt" 2>/dev/null
}
for fs in xfs btrfs; do
	command -v mkfs.$fs >/dev/null || continue
	modprobe $fs 2>/dev/null || true
	rm -f "$T/root.fs"
	truncate -s 320M "$T/root.fs"
	case $fs in
	xfs) mkfs.xfs -q -s size=4096 "$T/root.fs" ;;
	btrfs) mkfs.btrfs -q "$T/root.fs" >/dev/null 2>&1 ;;
	esac
	mount_root $fs || { echo "$fs: not tried: needs root, loop devices and $fs in the kernel"; continue; }
	cp -r "$T/root/." "$T/mnt"
	umount "$T/mnt"
	root_in $fs 320
done

# A superblock of former days in front of the table: nobody knows which of the two is old.
rm -f "$T/disk"
truncate -s 128M "$T/disk"
mkfs.btrfs -q "$T/disk" >/dev/null 2>&1 || mke2fs -q -t ext2 -b 4096 "$T/disk"
printf 'label: dos\nstart=2048, size=24M, type=83\n' | sfdisk -q --wipe=never "$T/disk" >/dev/null 2>&1
dd if="$T/fs" of="$T/disk" bs=1M seek=1 conv=notrunc status=none
refuses 'a superblock and a table' 'begins with the superblock of .* and has a partition table.*--partition=N'
expect_exit 1 hydroot-image build - "$T/none.hri" < <(cat "$T/disk")
assert_contains 'as a stream' 'and has a partition table' "$T/out"
hydroot-image build "$T/fs" "$T/want.hri" 2>/dev/null
gives 'a superblock and a table, by number' 'partition 1.*as you say' --partition=1
gives 'a superblock and a table, by auto' 'partition 1' --partition=auto
