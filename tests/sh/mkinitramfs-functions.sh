#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the initramfs scripts decide by themselves, asked under busybox's shell with made-up
# devices: filesystem by magic number, mount options, delay before a reboot, forms of ip=
. "$(dirname "$0")/../lib.sh"
requires busybox dash

# The scripts of the network.
net="for f in links address net; do . initramfs/standalone/\$f.sh; done"

ask() # SNIPPET: run with lib.sh and net.sh at hand
{
	busybox sh -c "hr_lib=initramfs; . initramfs/boot.sh; $net
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

# The device of an ip= without one: a VLAN, for which somebody has asked, before what PXE says.
device() { asked "$1" "hydroot_bootif_mac=52:54:00:00:00:01; $2; net_read_ip 1; echo \$net_device"; }
device BOOTIF :
device vlan5 'hydroot_n_vlan=1 hydroot_vlan_1=vlan5:eth0'
device eth1 'hydroot_n_vlan=1 hydroot_vlan_1=vlan5:eth0 hydroot_n_ip=1 hydroot_ip_1_device=eth1'

# Addresses are their own, names are looked up in hosts before a server is asked.
printf '10.9.8.7 far web # x\n2001:db8::7 six\n' >"$T/hosts"
resolve() { asked "$1" "hr_hosts=$T/hosts; hr_ask_name_server() { echo asked; }; hr_resolve '$2'"; }
resolve 10.0.0.1 10.0.0.1
resolve 2001:db8::1 2001:db8::1
resolve 2001:db8::1 '[2001:db8::1]'
resolve 10.9.8.7 web
resolve 2001:db8::7 six
resolve asked x
printf 'Server:\t\t9.9.9.9\nAddress:\t9.9.9.9:53\n\nName:\th\nAddress: 10.0.0.8\nAddress: 10.0.0.9\n' >"$T/ns"
asked 10.0.0.8 "hr_first_answer <$T/ns"
printf 'Server: 9.9.9.9\nAddress 1: 9.9.9.9\n\nName: h\nAddress 1: 10.0.0.8 h\n' >"$T/ns"
asked 10.0.0.8 "hr_first_answer <$T/ns"

# Which file a path is when the root is another, links followed from within.
mkdir -p "$T/r/usr/bin" "$T/r/usr/lib/systemd" "$T/r/dev" "$T/r/proc" "$T/r/sys"
ln -s usr/bin "$T/r/sbin"
ln -s /usr/lib/systemd/systemd "$T/r/usr/bin/init"
ln -s loop "$T/r/loop"
ln -s ../../../bin/sh "$T/r/out"
asked "$T/r/usr/lib/systemd/systemd" "hr_path_in_root $T/r /sbin/init"
asked "$T/r/bin/sh" "hr_path_in_root $T/r /out"
asked 1 "hr_path_in_root $T/r /loop; echo \$?"
asked "1 /run: not in the image: make that directory" "hr_check_root $T/r; echo \$? \"\$hr_error\""
mkdir "$T/r/run"
asked "1 /sbin/init: not an executable file in the image: give init=" \
	"hr_check_root $T/r; echo \$? \"\$hr_error\""
printf x >"$T/r/usr/lib/systemd/systemd"
asked 1 "hr_check_root $T/r; echo \$?"
chmod 755 "$T/r/usr/lib/systemd/systemd"
asked "0 /sbin/init" "hr_check_root $T/r; echo \$? \$hr_init"

# KiB in use, as du would say it, without stat.
[ "$(ask "hr_used_kib $T")" -gt 0 ] || fail "hr_used_kib says nothing"
[ "$(ask "hr_meminfo MemTotal")" -gt 1000 ] || fail "hr_meminfo says nothing"

# VLANs, by all four kinds of names.
for name in vlan5 vlan0005 eth0.5 eth0.0005; do
	asked 5 "net_vlan_id $name"
done
asked '' 'net_vlan_id vlan'
asked '' 'net_vlan_id vlan4095'
asked '' 'net_vlan_id vlan0'

# Who needs a network: an image on the network, whatever is said; of others that for which it is asked.
wants() { asked "$1" "hydroot_servers=$2; $3; hr_wants_network; echo \$?"; }
wants 0 http://h/i :
wants 0 http://h/i hydroot_rd_neednet=0
wants 1 file:///d/i :
wants 0 file:///d/i hydroot_n_ip=1
wants 0 file:///d/i hydroot_rd_neednet=1
wants 1 file:///d/i 'hydroot_n_ip=1 hydroot_rd_neednet=0'
wants 0 '"file:///d/i nfs://h/d/i"' hydroot_rd_neednet=0

# Of two interfaces the one that reaches a server; with one, or by its name, there is no choice to make.  The clock
# goes on by a second whenever it is asked.
choose() # SETTINGS
{
	ask "net_timeout=180 now=1; net_seconds() { cat $T/now; }; net_links_up() { :; }
		net_in_time() { echo \$((\$(cat $T/now) + 1)) >$T/now; }; echo 1 >$T/now; sleep() { :; }
		hr_links() { echo a; echo b; }; net_candidates() { echo a; echo b; }; net_is_ready() { :; }; net_set() { :; }
		net_describe() { :; }; hr_say() { :; }; hr_print() { :; }; ip() { :; }
		net_resolv_conf=$T/resolv.of net_state=$T net_run=$T/run; hr_interfaces=$T/ifs; hr_reaches() { false; }
		$1; net_up; printf %s \"\$net_dev\"" 2>/dev/null
}
assert_equal "the one that reaches it" b "$(choose 'hr_reaches() { [ $1 = b ]; }')"
assert_equal "the one that is named" a "$(choose 'hydroot_ip_1_device=a')"
assert_equal "the only one" a "$(choose 'hr_links() { echo a; }')"
# One that is alone with a link is not taken either before others have had their time.
assert_equal "the one whose link comes late" b "$(choose "hr_reaches() { [ \$1 = b ]; }
	net_candidates() { echo a; [ \$(cat $T/now) -lt 20 ] || echo b; }")"
assert_equal "nobody reaches it" a "$(choose :)"
assert "a minute of looking" test "$(cat "$T/now")" -ge 60
assert_equal "nobody reaches it in time" a "$(choose 'hydroot_attach_timeout=8')"
refute "longer than attach-timeout" test "$(cat "$T/now")" -gt 12
assert_equal "little patience" a "$(choose 'net_timeout=15')"
refute "longer than a third" test "$(cat "$T/now")" -gt 9
asked 60 'hydroot_attach_timeout=300; hr_choice_seconds'

# Name servers of an interface that is given up go with it.
rm -f "$T/ifs"
choose "hydroot_nameservers=1.1.1.1 net_resolv_conf=$T/resolv; hr_reaches() { [ \$1 = b ]; }
	net_set() { [ \$2 = b ] || echo 'nameserver 6.6.6.6' >>$T/resolv; }" >"$T/out"
assert_equal "name servers" 'nameserver 1.1.1.1' "$(cat "$T/resolv")"
assert_equal "interfaces" b "$(cat "$T/ifs")"

# Whom hydrootd is to ask: the proxy, or all servers.
reaches() { asked "$1" "timeout() { echo \$*; }; $2; hr_reaches e"; }
reaches '20 hydrootd --reach=e http://a/i http://b/i' 'hydroot_servers="http://a/i http://b/i"'
reaches '20 hydrootd --reach=e http://p:3128' 'hydroot_servers=http://a/i hydroot_proxy=http://p:3128'
reaches '' 'hydroot_servers='

# A machine without an interface: its hardware is looked for again.
asked 'looked' "net_seconds() { echo \$((now = \${now:-0} + 1)); }; net_deadline=1; net_links_up() { :; }
	net_in_time() { [ -z \"\$found\" ]; }; net_candidates() { :; }; net_pending=1 net_choice_end=9 found=
	hr_coldplug() { echo looked; found=1; }; net_wait"

# IP over InfiniBand is loaded once there is such hardware: after coldplug, and before the network.
mkdir -p "$T/sys/class/infiniband"
coldplug="eval \"\$(sed -n '/^hr_coldplug()/,/^}/p' initramfs/standalone/init)\"; find() { :; }; hr_stage() { :; }
	modprobe() { [ \$# != 2 ] || echo \$2; }; net_up() { echo up; }"
asked ib_ipoib "$coldplug; hr_sys=$T/sys; hr_coldplug"
asked '' "$coldplug; hr_sys=$T/none; hr_coldplug"
asked 'ib_ipoib
up' "$coldplug; hr_sys=$T/sys; hr_network"

# Drivers are loaded whatever characters the names of products have in them; by busybox's xargs, whose own modprobe
# would not say what it is asked for.
printf '#!/bin/sh\nprintf "%%s\\n" "$@" >%s/loaded\n' "$T" >"$T/modprobe"
chmod 755 "$T/modprobe"
ask "eval \"\$(sed -n '/^hr_coldplug()/,/^}/p' initramfs/standalone/init | sed 's|modprobe -q|$T/modprobe -q|')\"
	find() { printf '%s\n' 'dmi:bvnAMI:pn15.6\"Notebook:' pci:v00008086d; }; hr_coldplug"
assert_equal "what is loaded" 'dmi:bvnAMI:pn15.6"Notebook: pci:v00008086d' "$(grep : "$T/loaded" | xargs -d '\n')"

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
transports() # URLS
{
	sed "s|/run/hydroot|$T|g" initramfs/transport.sh >"$T/transport.sh"
	busybox sh -c "hr_lib=initramfs; hr_transports=$T/.transports hr_transport_dir=$T/hooks hr_said=$T/said
		. initramfs/boot.sh; . $T/transport.sh
		hr_console=/dev/stdout; hr_mount() { echo \"\$@\" >>$T/mounts; }
		hr_mount_transports $1" | cat >"$T/out"
}
transports 'http://h/i nfs://u:secret@10.0.0.8/e/i.hri?token=1 nfs://10.0.0.9/export/deep/i.hri glusterfs://g.example/vol/images/i.hri x://h/i'
assert_equal "what hydrootd is told" "nfs://10.0.0.9/export/deep/i.hri file://$T/.transport/2/i.hri
glusterfs://g.example/vol/images/i.hri file://$T/.transport/3/i.hri" "$(grep -v '^nfs://u:'  "$T/.transports")"
assert_equal "who can read it" 600 "$(stat -c %a "$T/.transports")"
busybox sh -c "hr_lib=initramfs; hr_transports=$T/.transports; . initramfs/boot.sh; . $T/transport.sh
	umount() { :; }; rmdir() { :; }; hr_leave_transports" || fail "hr_leave_transports"
refute "the list is left" test -e "$T/.transports"
assert_contains "nfs" "^nfs ro,.*soft,timeo=100,retrans=2,.*addr=10.0.0.9 10.0.0.9:/export/deep $T/.transport/2\$" "$T/mounts"
assert "the hook ran" test -e "$T/.transport/3/i.hri"
assert_contains "an unknown one" 'transport: x://h: no such transport: put a hook at' "$T/out"

assert_contains "without what opens a door" 'transport: nfs://10.0.0.8/e: ' "$T/out"
refute "a secret on the console, or in a mount's messages" grep -qE 'secret|token' "$T/out" "$T/mounts"

# The fallback is mounted when it is its turn: nothing waits for it in a boot that does not need it.
boots() { asked "$1" "hr_mount_transports() { echo mount \$*; }; hr_stage() { :; }; hr_try() { echo try \$3; $2; }
	hr_print() { :; }; hr_warn() { :; }; hydroot_servers='nfs://a/b/i nfs://c/d/i' hydroot_fallback=nfs://e/f/i#sha256:1; ${3:-}
	hr_fail() { :; }; hr_boot /nowhere"; }
boots 'mount nfs://a/b/i nfs://c/d/i
try' true
boots 'mount nfs://a/b/i nfs://c/d/i
try
mount nfs://e/f/i
try --use-fallback' '[ $# = 3 ]'
boots '' true 'hr_network_failed=x'

# All versions of NFS together have that minute.
asked "mount 60
mount 25
1" "cd $T; now=1; echo 1 >now; hr_seconds() { cat now; }; hr_mount() { echo mount \$hr_limit >&2; echo \$((\$(cat now) + 35)) >now
	return 1; }; modprobe() { :; }; hr_host=10.0.0.9 hr_path=/e/i; { hr_mount_nfs; } 2>&1; echo \$?"

# What DHCP is asked for beside what busybox asks for by itself.
mkdir -p "$T/dhcp"
printf '#!/bin/sh\necho "$@" >%s\n' "$T/asked" >"$T/dhcp/udhcpc"
chmod 755 "$T/dhcp/udhcpc"
PATH=$T/dhcp:$PATH dash -c "$net; net_run=$T; net_dhcp_start eth0; wait"
assert_contains "asked for" ' -O staticroutes -O mtu$' "$T/asked"
# busybox knows both by those names: the interface is what it complains of.
refute "unknown options" grep -q 'unknown option' <(busybox udhcpc -i none -n -q -t 1 -O staticroutes -O mtu 2>&1)

# A hook that hangs, and a mount that hangs, end.
printf 'sleep 100\n' >"$T/hooks/hanging"
hanging() { asked "$1" "hr_said=$T/said hr_transport_seconds=1 hr_transport_dir=$T/hooks hr_scheme=hanging hr_host=h hr_path=/p hr_dir=/d
	$2; echo \"\$? \$hr_error\""; }
hanging "1 $T/hooks/hanging: no end within 1 s" hr_mount_transport
mkdir "$T/slow"
printf '#!/bin/sh\nsleep 100\n' >"$T/slow/mount"
chmod 755 "$T/slow/mount"
mounted=$(PATH=$T/slow:$PATH dash -c "hr_lib=initramfs; hr_said=$T/said; . initramfs/boot.sh; hr_limit=1
	hr_mount nfs ro h:/p /nowhere || echo \"\$hr_error\"")
assert_contains "a mount that hangs" '^h:/p: mount as nfs \(ro\): no end within 1 s' <(echo "$mounted")

# A zram that cannot be as large as it is to be.
mkdir -p "$T/sys/class/zram-control" "$T/sys/block/zram7/disksize"
echo 7 >"$T/sys/class/zram-control/hot_add"
sed "s|/run/hydroot|$T|g" initramfs/lib.sh >"$T/lib.sh"
error=$(busybox sh -c ". $T/lib.sh; hr_sys=$T/sys hr_layer_device=$T/layer hr_error=stale; mke2fs() { :; }
	hr_layer_zram $T/none || echo \"\$hr_error\"" 2>&1)
assert_contains "a zram that is refused" '^overlay=zram: zram7: [0-9]+ MiB are refused: overlay=tmpfs works without$' \
	<(echo "$error")

# The overlay's zram goes back with the rest of a root that cannot be used.
asked "removed 7" "hr_layer_device=$T/layer; echo 7 >$T/layer
	hr_warn() { echo removed \$*; }; hr_free_layer | sed 's|/dev/zram\(.*\): cannot.*|\1|'"
refute "the note of the layer" test -e "$T/layer"
