#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the initramfs scripts decide by themselves, asked under busybox's shell with made-up
# devices: filesystem by magic number, mount options, delay before a reboot, forms of ip=
. "$(dirname "$0")/../lib.sh"
requires busybox

ask() # SNIPPET: run with lib.sh and net.sh at hand
{
	busybox sh -c ". initramfs/lib.sh; . initramfs/transport.sh; . initramfs/standalone/net.sh
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

# Why there is nothing to mount; a directory stands for a device whose reads fail.
asked "$T/device: no filesystem that is known by its magic number: give rootfstype=" \
	"hr_mount_root $T/device /nowhere; echo \"\$hr_error\""
asked "$T: cannot be read: see above" "hr_mount_root $T /nowhere; echo \"\$hr_error\""

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

# VLANs, by all four kinds of names; where the network has to lead to.
for name in vlan5 vlan0005 eth0.5 eth0.0005; do
	asked 5 "net_vlan_id $name"
done
asked '' 'net_vlan_id vlan'
asked '' 'net_vlan_id vlan4095'
asked '' 'net_vlan_id vlan0'
target() # WANTED SERVERS [PROXY]
{
	asked "$1" "hydroot_servers='$2' hydroot_proxy='${3:-}'; net_target"
}
target '10.0.0.1 80' 'file:///x http://10.0.0.1/i'
target 'h 8080' 'http://u:p@h:8080/i http://b/i'
target 'h 443' 'https://h/i'
target '2001:db8::1 81' 'http://[2001:db8::1]:81/i'
target '2001:db8::1 80' 'http://[2001:db8::1]/i'
target 'p 3128' 'http://h/i' 'http://p:3128'
target '' 'file:///x'

# Of two interfaces the one that reaches the server; with one there is no choice to make.
choose() # SETTINGS
{
	ask "net_timeout=3; net_seconds() { echo 1; }; net_links_up() { :; }; net_deadline=2
		net_candidates() { echo a; echo b; }; net_try() { now=\$2; }
		net_describe() { :; }; hr_say() { :; }; ip() { :; };
		net_device=; $1; net_configure dhcp; printf %s \"\$net_dev\"" 2>/dev/null
}
assert_equal "the one that reaches it" b "$(choose 'net_reaches() { [ $now = b ]; }')"
assert_equal "nobody reaches it" a "$(choose 'net_reaches() { false; }')"

# Where writes go.
asked none 'hr_overlay_kind ext4'
asked tmpfs 'hr_overlay_kind erofs'
asked zram 'hydroot_overlay=zram; hr_overlay_kind ext4'
asked none 'hydroot_overlay=none; hr_overlay_kind squashfs'
asked ro,discard "$can hr_mount_options ext4 x ro"

# Images on a network filesystem: what is mounted where, by a hook, and what is told to hydrootd.
mkdir -p "$T/hooks"
cat >"$T/hooks/glusterfs" <<'END'
[ "$1 $2" = 'g.example /vol/images' ] && touch "$3/i.hri"
END
transports() # SERVERS
{
	sed "s|/run/hydroot|$T|g" initramfs/transport.sh >"$T/transport.sh"
	busybox sh -c ". initramfs/lib.sh; hr_transport_dir=$T/hooks; . $T/transport.sh
		hr_console=/dev/stdout; hr_mount() { echo \"\$@\" >>$T/mounts; }
		hydroot_servers='$1'; hr_mount_transports" | cat >"$T/out"
}
transports 'http://h/i nfs://10.0.0.9/export/deep/i.hri glusterfs://g.example/vol/images/i.hri x://h/i'
assert_equal "what hydrootd is told" "nfs://10.0.0.9/export/deep/i.hri file://$T/.transport/1/i.hri
glusterfs://g.example/vol/images/i.hri file://$T/.transport/2/i.hri" "$(cat "$T/.transports")"
assert_contains "nfs" "^nfs ro,.*addr=10.0.0.9 10.0.0.9:/export/deep $T/.transport/1\$" "$T/mounts"
assert "the hook ran" test -e "$T/.transport/2/i.hri"
assert_contains "an unknown one" 'transport: x://h: no such transport: put a hook at' "$T/out"
