#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# An image on a disk of this machine, with ip= on the command line: the network is set up but not waited for, and after the
# switch nothing is kept from the interface.  That is so only where it is certain that no server is needed.
. "$(dirname "$0")/../lib.sh"
requires busybox dash

# Disks as sysfs has them: /dev/sda1 here, sdb by iSCSI, a mapping of each, a disk of the network's own kind, and files on
# them, which are folders of $T.
hardware=$T/sys/devices/pci0000:00/ata1/host0/block/sda
session=$T/sys/devices/platform/host3/session1/target3:0:0/block/sdb
virtual=$T/sys/devices/virtual/block
mkdir -p "$hardware/sda1" "$session" "$virtual"/{dm-0,dm-1,nbd0}/slaves "$T/sys/dev/block" "$T/sys/class/block"
mkdir -p "$virtual/dm-0/slaves" "$T/dev" "$T"/{disk,iscsi,good-map,bad-map,nbd,nfs,tmp,unknown}
ln -s "$hardware/sda1" "$T/sys/dev/block/8:1"
ln -s "$session" "$T/sys/dev/block/8:16"
for name in dm-0 dm-1 nbd0; do ln -s "$virtual/$name" "$T/sys/class/block/$name"; done
ln -s "$virtual/dm-0" "$T/sys/dev/block/253:0"
ln -s "$virtual/dm-1" "$T/sys/dev/block/253:1"
ln -s "$virtual/nbd0" "$T/sys/dev/block/43:0"
ln -s "$hardware" "$virtual/dm-0/slaves/sda"
ln -s "$hardware" "$virtual/dm-1/slaves/sda"
ln -s "$session" "$virtual/dm-1/slaves/sdb"
ln -s "$hardware" "$T/sys/class/block/sdc"
for folder in disk iscsi good-map bad-map nbd nfs tmp unknown; do touch "$T/$folder/i.hri"; done
ln -s "$T/nfs/i.hri" "$T/disk/linked.hri"
mkdir -p "$T/nfs/a b"
touch "$T/nfs/a b/i.hri"
{
	echo "1 1 0:2 / / rw - rootfs rootfs rw"
	echo "20 1 8:1 / $T/disk rw,relatime shared:1 - ext4 /dev/sda1 rw"
	echo "21 1 8:16 / $T/iscsi rw - ext4 /dev/sdb rw"
	echo "22 1 253:0 / $T/good-map rw - xfs /dev/mapper/good rw"
	echo "23 1 253:1 / $T/bad-map rw - xfs /dev/mapper/bad rw"
	echo "24 1 43:0 / $T/nbd rw - ext4 /dev/nbd0 rw"
	echo "25 1 0:40 / $T/nfs ro - nfs h:/e ro"
	printf '%s\n' "25 1 0:40 / $T/nfs/a\040b ro - nfs h:/e ro"
	echo "26 1 0:41 / $T/tmp rw - tmpfs tmpfs rw"
	echo "27 1 0:42 / $T/unknown rw - fuse.sshfs h: rw"
	echo "28 1 0:43 / $T/btrfs rw - btrfs /dev/sdc rw"
} >"$T/mountinfo"

ask() # SNIPPET
{
	for shell in "busybox sh" dash; do
		$shell -c "hr_lib=initramfs hr_sys=$T/sys hr_mountinfo=$T/mountinfo hr_local=$T/local hr_interfaces=$T/interfaces
			. initramfs/boot.sh; hr_console=/dev/stdout; $1"
	done | uniq
}
asked() { assert_equal "$2" "$1" "$(ask "$2")"; }

are_local() { asked "$1" "hr_are_local $2; echo \$?"; } # 0|1 URLS
are_local 0 "file://$T/disk/i.hri"
are_local 0 "file://$T/disk/i.hri#sha256:0 $T/tmp/i.hri"
are_local 0 "file://$T/good-map/i.hri"
are_local 1 "file://$T/iscsi/i.hri"
are_local 1 "file://$T/bad-map/i.hri"
are_local 1 "file://$T/nbd/i.hri"
are_local 1 "file://$T/nfs/i.hri"
are_local 1 "file://$T/disk/linked.hri"
are_local 1 "file://$T/unknown/i.hri"
are_local 1 "'file://$T/nfs/a b/i.hri'"
are_local 1 "file://$T/disk/absent.hri"
are_local 1 "file://$T/disk/i.hri http://h/i.hri"
are_local 1 "nfs://h/e/i.hri"
mkdir "$T/btrfs"
touch "$T/btrfs/i.hri"
are_local 0 "file://$T/btrfs/i.hri"

# What the network is waited for: with ip=, and with another word that only the admin can know the reason of.
image="hydroot_servers=file://$T/disk/i.hri hydroot_n_ip=1"
needs() { asked "$1" "$2; hr_needs_network; echo \$?"; } # 0|1 SETTINGS
needs 1 "$image"
needs 1 "$image hydroot_pack=i.pack"
needs 0 "hydroot_servers=http://h/i.hri"
needs 0 "hydroot_servers=file://$T/nfs/i.hri hydroot_n_ip=1"
needs 0 "$image hydroot_rd_neednet=1"
needs 0 "$image hydroot_fallback=http://h/i.hri"
needs 0 "$image hydroot_pack=http://h/i.pack"
needs 1 "$image hydroot_fallback=file://$T/tmp/i.hri hydroot_pack=file://$T/tmp/i.hri"
# Without ip= it is what comes over it: whoever needs it for the image or the fallback waits, a report does not.
image_only="hydroot_servers=file://$T/disk/i.hri"
wants() # WANTS NEEDS SETTINGS
{
	asked "$1 $2" "$3; hr_wants_network; a=\$?; hr_needs_network; echo \$a \$?"
}
wants 1 1 "$image_only"
wants 1 1 "$image_only hydroot_fallback=file:///d/o.hri hydroot_pack=i.pack"
wants 0 0 "$image_only hydroot_fallback=http://h/i.hri"
wants 0 0 "$image_only hydroot_fallback=nfs://h/d/i.hri#sha256:0"
wants 0 0 "$image_only hydroot_pack=http://h/i.pack"
wants 0 1 "$image_only hydroot_report=http://h/"
wants 0 0 "hydroot_servers='file:///d/i.hri http://h/i.hri'"
wants 1 1 "$image_only hydroot_report=http://h/ hydroot_pack=http://h/i.pack hydroot_rd_neednet=0"
wants 0 0 "$image_only hydroot_fallback=http://h/i.hri hydroot_rd_neednet=0"
# The server that an interface has to reach.
reaches() { asked "$1" "timeout() { shift 3; echo \"\$@\"; }; $2; echo \$(hr_reaches eth0) \$?"; } # WANTED SETTINGS
reaches "http://f/i.hri 0" "$image_only hydroot_fallback=http://f/i.hri#sha256:0"
reaches "http://h/i.hri 0" "hydroot_servers='file:///d/i.hri http://h/i.hri' hydroot_fallback=http://f/i.hri"
reaches 0 "$image_only hydroot_report=http://h/"
for wanted in "20 $image" "180 $image hydroot_rd_neednet=1"; do
	asked "${wanted%% *} failed" ". initramfs/standalone/net.sh; hr_stage() { :; }; ${wanted#* }
		net_up() { printf '%s ' \$net_timeout; hr_error=failed; return 1; }; hr_network; echo \$hr_network_failed"
done

# What is kept after the switch: by the image that is used in the end.
echo eth0 >"$T/interfaces"
kept() # WANTED USED SETTINGS
{
	rm -f "$T/local"
	asked "kept: $1" "$3; hr_stage() { :; }; hr_udev_rules() { :; }; hr_report() { :; }; hr_leave_transports() { :; }
		hr_mount_transports() { :; }; hr_boot_root() { hr_used='$2'; }; hr_boot /nowhere
		hr_prepare_handover() { echo \"kept: \$1\"; }; hr_leave /nowhere"
}
kept '' "file://$T/disk/i.hri" "$image"
kept '' "file://$T/disk/i.hri" "$image hydroot_fallback=http://h/i.hri"
kept eth0 "http://h/i.hri" "$image hydroot_fallback=http://h/i.hri"
kept eth0 "file://$T/disk/i.hri" "$image hydroot_rd_neednet=1"
kept eth0 "file://$T/disk/i.hri" "$image hydroot_pack=http://h/p"
kept eth0 "file://$T/iscsi/i.hri" "hydroot_servers=file://$T/iscsi/i.hri hydroot_n_ip=1"
