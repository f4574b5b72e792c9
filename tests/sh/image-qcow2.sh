#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# What qemu-img reads gives the bytes of the raw disk; what refers to other files is refused.
. "$(dirname "$0")/../lib.sh"
requires mke2fs sfdisk qemu-img

mkdir -p "$T/root/etc" "$T/out.d"
seq 50000 >"$T/root/etc/os-release"
mke2fs -q -t ext4 -b 4096 -d "$T/root" "$T/fs" 24M
truncate -s 64M "$T/disk"
printf 'label: gpt\nsize=24M\nsize=8M\n' | sfdisk -q "$T/disk" >/dev/null
dd if="$T/fs" of="$T/disk" bs=1M seek=1 conv=notrunc,sparse status=none
hydroot-image build "$T/fs" "$T/want.hri" 2>/dev/null

for format in qcow2 vmdk vdi vhdx vpc; do
	qemu-img convert -O $format "$T/disk" "$T/disk.$format"
	expect_exit 0 hydroot-image build "$T/disk.$format" "$T/out.d/x.hri"
	assert_contains "$format" 'partition 1' "$T/out"
	assert "$format: the same bytes" cmp -s "$T/want.hri" "$T/out.d/x.hri"
done
qemu-img convert -c -O qcow2 "$T/fs" "$T/fs.qcow2"
expect_exit 0 hydroot-image build - "$T/out.d/x.hri" < <(cat "$T/fs.qcow2")
assert 'a filesystem in it, through a pipe' cmp -s "$T/want.hri" "$T/out.d/x.hri"

qemu-img create -q -f qcow2 -F raw -b "$T/disk" "$T/overlay"
expect_exit 1 hydroot-image build "$T/overlay" "$T/out.d/y.hri"
assert_contains 'a backing file' 'has a backing file; .*qemu-img convert' "$T/out"
qemu-img create -q -f qcow2 -o data_file="$T/data" "$T/external" 1M >/dev/null
expect_exit 1 hydroot-image build "$T/external" "$T/out.d/y.hri"
assert_contains 'an external data file' 'data in another file' "$T/out"
head -c 70000 "$T/disk.qcow2" >"$T/cut"
expect_exit 1 hydroot-image build "$T/cut" "$T/out.d/y.hri"
assert_equal 'what is left' x.hri "$(ls -A "$T/out.d")"
