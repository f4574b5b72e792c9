#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build names what a node can never have its root on, and refuses it with what to do instead; a
# filesystem that was cut short too.  What nobody knows is taken, with a warning.
. "$(dirname "$0")/../lib.sh"
requires mke2fs mksquashfs mkfs.erofs mkfs.xfs mkfs.btrfs mkswap sfdisk cpio zstd gzip

refuses() # WHAT PATTERN [FILE]
{
	rm -f "$T/x.hri"
	expect_exit 1 hydroot-image build "${3:-$T/in}" "$T/x.hri"
	assert_contains "$1" "$2" "$T/out"
	refute "$1: left an output" test -e "$T/x.hri"
}
takes() # WHAT PATTERN OPTION...
{
	expect_exit 0 hydroot-image build "${@:3}" "$T/in" "$T/x.hri"
	assert_contains "$1" "$2" "$T/out"
}
fresh() { rm -f "$T/in"; truncate -s "${1:-8M}" "$T/in"; }
# shellcheck disable=SC2059 # the format is the bytes
put() { printf "$2" | dd of="$T/in" bs=1 seek="$1" conv=notrunc status=none; } # OFFSET BYTES

# An ISO 9660: one primary volume descriptor and the end.
fresh
put 32768 '\001CD001\001'
put 34816 '\377CD001\001'
refuses 'ISO 9660' 'of type iso9660, .*give the filesystem in it, or its files as a folder, or --any-content'
takes 'asked for' 'warning: is of type iso9660' --any-content

fresh
luks() { put "$1" 'LUKS\272\276\000\001'; put $(($1 + 168)) '01234567-89ab-cdef-0123-456789abcdef'; }
luks 0
refuses LUKS 'of type crypto_LUKS.*cryptsetup open'
fresh 64M
printf 'label: gpt\nsize=48M, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709\n' | sfdisk -q "$T/in" >/dev/null
luks 1048576
refuses 'LUKS in a root partition' 'of type crypto_LUKS.*cryptsetup open'

fresh
mkswap "$T/in" >/dev/null 2>&1
refuses swap 'of type swap'

seq 1 5000 >"$T/file"
fresh
put 0 'PK\003\004\024'
refuses zip 'a zip archive.*give what is in it'
(cd "$T" && echo file | cpio -o -H newc >in 2>/dev/null)
refuses 'cpio, newc' 'a cpio archive'
(cd "$T" && echo file | cpio -o >in 2>/dev/null)
refuses 'cpio, old' 'a cpio archive'

# An image, however it is packed.
hydroot-image build "$T/file" "$T/a.hri" 2>/dev/null
gzip -c "$T/a.hri" >"$T/in"
refuses 'a compressed image' 'is a hydroot image already'
zstd -qc "$T/a.hri" | zstd -qc >"$T/in"
refuses 'an image compressed twice' 'is a hydroot image already'

# zstd with a skippable frame in front is zstd.
mke2fs -q -t ext4 -b 4096 "$T/fs" 16M
hydroot-image build "$T/fs" "$T/want.hri" 2>/dev/null
{ printf 'P*M\030\010\000\000\000whatever'; zstd -qc "$T/fs"; } >"$T/in"
takes 'a skippable frame' ''
assert 'what was compressed' cmp "$T/want.hri" "$T/x.hri"

# A tar without a magic.
mkdir "$T/tree"
echo x >"$T/tree/x"
touch -d @1000000000 "$T/tree/x" "$T/tree"
if [ "$(id -u)" = 0 ]; then
	hydroot-image build "$T/tree" "$T/want.hri" 2>/dev/null
	tar --format=v7 --numeric-owner -cf "$T/in" -C "$T/tree" .
	takes 'a tar of v7' ''
	assert 'the tree in it' cmp "$T/want.hri" "$T/x.hri"
fi

# Cut short: by one sector, and as a stream, whose end nobody sees before.
cut() # NAME
{
	local n
	n=$(stat -c %s "$T/whole")
	expect_exit 0 hydroot-image build "$T/whole" "$T/y.hri"
	head -c $((n - 8192)) "$T/whole" >"$T/in"
	refuses "$1 cut short" "was cut short: its filesystem has $2 bytes, and here are $((n - 8192))"
	expect_exit 1 hydroot-image build - "$T/x.hri" <"$T/in"
	assert_contains "$1 from standard input" "was cut short: its filesystem has $2 bytes" "$T/out"
	expect_exit 1 hydroot-image build - "$T/x.hri" < <(cat "$T/in")
	assert_contains "$1 as a stream" "was cut short: its filesystem has $2 bytes" "$T/out"
	rm -f "$T/whole"
}
mke2fs -q -t ext4 -b 4096 "$T/whole" 16M
cut ext4 $((16 << 20))
truncate -s 320M "$T/whole"
mkfs.xfs -q -s size=4096 "$T/whole"
cut XFS $((320 << 20))
truncate -s 128M "$T/whole"
mkfs.btrfs -q "$T/whole" >/dev/null 2>&1
cut btrfs $((128 << 20))
cp "$TOP/$BUILD/hydroot-image" "$T/tree"
mksquashfs "$T/tree" "$T/whole" -quiet -no-progress >/dev/null
cut squashfs '[0-9]*'
mkfs.erofs --quiet "$T/whole" "$T/tree"
cut erofs '[0-9]*'

head -c 3000000 /dev/urandom >"$T/in"
takes 'what nobody knows' 'warning: no filesystem that is known'
