#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the initramfs scripts decide by themselves, asked under busybox's shell with made-up
# devices: filesystem by magic number, mount options, delay before a reboot, forms of ip=
. "$(dirname "$0")/../lib.sh"
requires busybox

ask() # SNIPPET: run with lib.sh and net.sh at hand
{
	busybox sh -c ". initramfs/lib.sh; . initramfs/standalone/net.sh
		hr_console=/dev/stdout; $1"
}

asked() # WANTED SNIPPET
{
	assert_equal "$2" "$1" "$(ask "$2")"
}

# Magic numbers, at their places in an otherwise empty file.
magic() # OFFSET BYTES
{
	rm -f "$T/device"
	truncate -s 128K "$T/device"
	printf '%b' "$2" | dd of="$T/device" bs=1 seek="$1" conv=notrunc status=none
}

magic 0 hsqs
asked squashfs "hr_fs_type $T/device"
magic 0 XFSB
asked xfs "hr_fs_type $T/device"
magic 1024 '\xe2\xe1\xf5\xe0'
asked erofs "hr_fs_type $T/device"
magic 1080 '\x53\xef'
asked ext4 "hr_fs_type $T/device"
magic 65600 _BHRfS_M
asked btrfs "hr_fs_type $T/device"
magic 0 nothing
asked '' "hr_fs_type $T/device"

# discard where the device can; ro and rootflags as the command line has them.
can='hr_can_discard() { true; };'
asked rw,discard "$can hr_mount_options ext4 x"
asked rw "hr_can_discard() { false; }; hr_mount_options ext4 x"
asked rw,nodiscard "$can hydroot_rootflags=nodiscard; hr_mount_options xfs x"
asked ro,subvol=a,discard \
	"$can hydroot_rootflags=subvol=a hydroot_root_ro=1; hr_mount_options btrfs x"
asked ro "$can hr_mount_options squashfs x"

# A reboot after 1 to 10 minutes, or what panic= says.
for i in 1 2 3 4 5; do
	delay=$(ask "hr_reboot_delay # $i")
	if [ "$delay" -lt 60 ] || [ "$delay" -gt 600 ]; then fail "delay $delay"; fi
done
asked 7 'hydroot_panic=7; hr_reboot_delay'
asked 0 'hydroot_panic=-1; hr_reboot_delay'
asked 3 'hydroot_panic=7 hydroot_onfail_delay=3; hr_reboot_delay'

# A root without the kernel's modules.
mkdir -p "$T/root/usr/lib/modules"
asked 0 "hr_check_kernel $T/root >/dev/null; echo \$?"
asked 1 "hydroot_kernel_check=fail; hr_check_kernel $T/root; echo \$?"
mkdir "$T/root/usr/lib/modules/$(uname -r)"
asked 0 "hydroot_kernel_check=fail; hr_check_kernel $T/root; echo \$?"

# Forms of ip=, as hydrootd --print-config takes them apart.
method() # WANTED CLIENT AUTOCONF
{
	asked "$1" "hydroot_ip_1_client=$2 hydroot_ip_1_autoconf=$3; net_read_ip 1; net_method"
}
method dhcp '' ''
method dhcp '' dhcp
method static 10.0.0.2 none
method static 10.0.0.2 ''
method off '' off
method auto6 '' auto6
method unknown '' ibft
asked 52:54:00:ab:cd:ef 'net_plain_mac 52-54-00-AB-cd-EF'
