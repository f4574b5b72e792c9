#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# modules.list read by kmod-hints/lists.sh, as every initramfs builder does, under busybox's shell;
# and no builder reads it in another way
. "$(dirname "$0")/../lib.sh"
requires busybox

list=kmod-hints/modules.list
ask() { busybox sh -euc ". kmod-hints/lists.sh; $1"; }

ask "hints_names $list" >"$T/names"
for name in fuse loop dm_mod zram zstd 8021q bonding ib_ipoib mlx5_ib; do
	assert "$name is shipped" grep -qx "$name" "$T/names"
done
assert_equal "classes" class:net "$(grep : "$T/names")"
assert_equal "names that stand twice" "" "$(sort "$T/names" | uniq -d)"
assert_equal "for nfs:// only" "nfs nfsv4 nfsv3" "$(ask "hints_names $list nfs" | xargs)"
refute "NFS is in every initramfs" grep -q ^nfs "$T/names"
assert_equal "rows and names" "$(grep -c '^[a-z0-9]' $list)" "$(($(wc -l <"$T/names") + 3))"

assert_equal "what is loaded" "fuse loop dm_mod zram af_packet" \
	"$(ask "hints_names $list load" | tr '\n' ' ' | sed 's/ $//')"
assert_equal "options" "options loop hw_queue_depth=1024" "$(ask "hints_options $list")"
ask "hints_required $list" >"$T/required"
assert_contains "required" '^fuse hybrid,stream$' "$T/required"
refute "NFS is required" grep -q ^nfs "$T/required"

dir=$(echo tests/fixtures/roots/6.1-debian/lib/modules/*)
ask "hints_net_drivers $dir" >"$T/drivers"
for name in ena mlx4_en hv_vmbus; do
	assert "driver $name" grep -qx "$name" "$T/drivers"
done
# Cards at USB, with the bus they are seen by.
mkdir "$T/usb"
echo 'kernel/drivers/net/usb/r8152.ko.xz: kernel/drivers/usb/core/usbcore.ko.xz' >"$T/usb/modules.dep"
ask "hints_net_drivers $T/usb" >"$T/usb/drivers"
for name in r8152 xhci_pci; do
	assert "at USB: $name" grep -qx "$name" "$T/usb/drivers"
done
refute "a filesystem is a driver" grep -qx fuse "$T/drivers"

# Whoever names the list sources its reader.
grep -rlE --include='*' 'modules\.list' initramfs | grep -vE '\.(md|[1-8])$' | while read -r file; do
	grep -q 'lists\.sh' "$file" || echo "$file"
done >"$T/others"
[ ! -s "$T/others" ] || fail "reads modules.list without lists.sh: $(tr '\n' ' ' <"$T/others")"
