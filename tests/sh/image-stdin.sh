#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Standard input may be whatever a file may be, and gives the same bytes; no scratch file stays.
. "$(dirname "$0")/../lib.sh"
requires mke2fs sfdisk zstd xz gzip

mkdir -p "$T/root/etc" "$T/out.d"
seq 50000 >"$T/root/etc/numbers"
mke2fs -q -t ext4 -b 4096 -d "$T/root" "$T/fs" 24M
hydroot-image build "$T/fs" "$T/want.hri" 2>/dev/null

same() # WHAT FILE OPTION...
{
	# A pipe, not the file itself.
	dd if="$2" bs=64K status=none | hydroot-image build "${@:3}" - "$T/out.d/x.hri" 2>"$T/err" ||
		{ cat "$T/err"; fail "$1"; }
	assert "$1: the same bytes" cmp -s "$T/want.hri" "$T/out.d/x.hri"
	assert_equal "$1: what is left" x.hri "$(ls -A "$T/out.d")"
}

# A stream cannot be looked into, so META may know less; the filesystem is the same.
content() { hydroot-image extract "$1" "$T/raw" && sha256sum <"$T/raw"; }
dd if="$T/fs" bs=64K status=none | hydroot-image build - "$T/out.d/x.hri" 2>/dev/null
assert_equal 'a filesystem' "$(content "$T/want.hri")" "$(content "$T/out.d/x.hri")"

# Where it stands is where it begins, also in a file.
{ head -c 5000 /dev/urandom; cat "$T/fs"; } >"$T/behind"
hydroot-image build - "$T/out.d/x.hri" 2>/dev/null < <(tail -c +5001 "$T/behind")
mv "$T/out.d/x.hri" "$T/behind.hri"
{ dd bs=5000 count=1 status=none >/dev/null; hydroot-image build - "$T/out.d/x.hri" 2>/dev/null; } <"$T/behind" || fail 'not at the start'
assert 'a file that was read from before' cmp "$T/behind.hri" "$T/out.d/x.hri"
assert_equal 'its content' "$(content "$T/want.hri")" "$(content "$T/out.d/x.hri")"

zstd -q "$T/fs" -o "$T/fs.zst"
xz -0 -k "$T/fs"
gzip -1 -k "$T/fs"
for packed in zst xz gz; do same "compressed: $packed" "$T/fs.$packed"; done

truncate -s 64M "$T/disk"
printf 'label: gpt\nsize=24M\n' | sfdisk -q "$T/disk" >/dev/null
dd if="$T/fs" of="$T/disk" bs=1M seek=1 conv=notrunc,sparse status=none
same 'a disk' "$T/disk"
same 'a disk, by number' "$T/disk" --partition=1

# A filesystem alone has no partitions, from a pipe as from a file; by itself it is what is meant.
for from in "$T/fs" -; do
	expect_exit 1 hydroot-image build --partition=2 "$from" "$T/out.d/y.hri" < <(cat "$T/fs")
	assert_contains "a partition of a filesystem, $from" ': --partition=2: has no partitions' "$T/out"
done
dd if="$T/fs" bs=64K status=none | hydroot-image build --partition=auto - "$T/out.d/x.hri" 2>/dev/null
assert_equal 'a filesystem, by auto' "$(content "$T/want.hri")" "$(content "$T/out.d/x.hri")"

head -c $(($(stat -c %s "$T/fs.zst") / 2)) "$T/fs.zst" >"$T/cut"
expect_exit 1 hydroot-image build - "$T/out.d/y.hri" <"$T/cut"
assert_contains 'cut short' 'zstd failed' "$T/out"
expect_exit 1 hydroot-image build "$T/want.hri" "$T/out.d/y.hri"
assert_contains 'our own kind' 'is a hydroot image already' "$T/out"
expect_exit 1 hydroot-image build - "$T/out.d/y.hri" </dev/null
assert_contains 'nothing' 'is empty' "$T/out"
assert_equal 'what is left' x.hri "$(ls -A "$T/out.d")"
