#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# dracut's hooks, with made-up steps of a boot: the root is claimed once, mounted when there is an
# address, or without a network when the time is over; a boot of another root starts nothing
. "$(dirname "$0")/../lib.sh"
requires dash

mkdir -p "$T/lib" "$T/bin" "$T/hooks/initqueue/finished" "$T/run/systemd/network"
for file in initramfs/dracut/50hydroot/*.sh; do
	sed "s|/lib/hydroot/boot.sh|$T/lib/boot.sh|; s|/lib/hydroot/dracut.sh|$T/lib/hydroot-lib.sh|
		s|/run/|$T/run/|g; s|/etc/cmdline.d|$T/cmdline.d|g; s|. /lib/dracut-lib.sh|:|
		s|/tmp/net|$T/net|; s|/etc/resolv.conf|$T/resolv.conf|; s|/proc/uptime|$T/uptime|" \
		"$file" >"$T/lib/$(basename "$file")"
done
cat >"$T/lib/boot.sh" <<END
hr_aside=$T/run/hydroot/.aside
call() { echo "\$*" >>$T/calls; }
hr_is_ours() { call hydrootd; hydroot_n_ip=0; [ -e $T/ours ]; }
hr_config() { hr_is_ours; }
hr_begin() { call begin; }
hr_modules() { :; }
hr_wants_network() { [ ! -e $T/local ]; }
hr_needs_network() { hr_wants_network && [ ! -e $T/local-with-ip ]; }
hr_addressed() { cat $T/addressed 2>/dev/null; }
hr_take_network() { call take \$*; [ -s $T/addressed ]; }
hr_links() { cat $T/links; }
hr_reaches() { call "asks \$1"; grep -qx \$1 $T/reaches; }
hr_choice_seconds() { echo 60; }
hr_name_servers() { echo "names-of-\$1"; }
hr_say() { call "\$*"; }
hr_warn() { call "\$*"; }
ip()
{
	case "\$*" in
	'-4 route show default dev eth1') echo 'default via 10.0.3.2 proto dhcp src 10.0.3.15 metric 1024' ;;
	'-6 route show default dev eth1') echo 'default via fe80::2 proto ra metric 1024' ;;
	*show*) ;;
	*) call "ip \$*" ;;
	esac
}
hr_boot() { call "boot \$1 \${hr_network_failed:-}"; }
hr_leave() { call "leave \$1"; }
udevadm() { :; }
END

echo eth0 >"$T/links"
: >"$T/reaches"
echo '10.00 5.00' >"$T/uptime"
mkdir -p "$T/run/systemd/netif/links"

hook() # FILE [NETROOT-ARGUMENTS]: as dracut sources or runs it
{
	local file=$T/lib/$1
	shift
	dash -c "getarg() { :; }; getargbool() { false; }; hookdir=$T/hooks NEWROOT=/sysroot; export NEWROOT
		. $file; echo \"root=\${root:-} netroot=\${netroot:-}\" >$T/said" "$file" "$@"
}
calls() { xargs 2>/dev/null <"$T/calls" || true; }

# Another root.
hook parse-hydroot.sh
assert_equal "asked once" hydrootd "$(calls)"
rm "$T/calls"
for file in hydroot-settled hydroot-timeout hydroot-pivot; do hook $file.sh; done
refute "something is started in a boot of another root" test -e "$T/calls"
rule=$T/run/udev/rules.d/61-hydroot-infiniband.rules
refute "udev hears of a boot of another root" test -e "$rule"

# Ours: nothing before there is an address, then all of it once.
touch "$T/ours"
hook parse-hydroot.sh
assert_contains "the root is claimed" '^root=hydroot netroot=hydroot:$' "$T/said"
assert_contains "a network is asked for" '^DHCP=yes$' "$T/run/systemd/network/90-hydroot.network"
assert_contains "IP over InfiniBand" '"infiniband", RUN\{builtin\}\+="kmod load ib_ipoib"$' "$rule"
assert "dracut waits for it" test -e "$T/hooks/initqueue/finished/hydroot.sh"
hook hydroot-settled.sh
refute "mounted without an address" grep -q ^boot "$T/calls"
echo eth0 >"$T/addressed"
hook hydroot-settled.sh
hook hydroot-settled.sh
hook hydroot-timeout.sh
assert_equal "mounted once" "boot /sysroot " "$(grep ^boot "$T/calls")"
# What systemd-network-generator made of ip= goes, where there is something else that keeps the interface.
networks=$T/run/systemd/network
touch "$networks"/70-eth0.network "$networks"/71-default.network "$networks"/70-eth0.link
hook hydroot-pivot.sh
assert "the only profile" test -e "$networks/70-eth0.network"
touch "$networks/00-hydroot-eth0.network"
hook hydroot-pivot.sh
assert_equal "networks that are left" "00-hydroot-eth0.network 70-eth0.link" "$(cd "$networks" && echo *)"
assert_contains "left" '^leave /sysroot$' "$T/calls"
refute "the profile for all is left behind" test -e "$T/run/systemd/network/90-hydroot.network"
refute "the rule is left behind" test -e "$rule"

# No address in time: on with a reason.
rm "$T/addressed" "$T/run/hydroot/.mounted" "$T/calls"
hook hydroot-timeout.sh
assert_contains "the reason" '^boot /sysroot network: no interface got an address' "$T/calls"

# Of several interfaces the first that reaches a server: with its name servers, and its gateway before others'.
again() { rm -f "$T/run/hydroot/.mounted" "$T/run/hydroot/.choice-end" "$T/run/hydroot"/.rejected-* "$T/calls"; }
again
printf '%s\n' eth0 eth1 >"$T/links"
echo eth0 >"$T/addressed"
hook hydroot-settled.sh
hook hydrootroot.sh eth0
refute "mounted without a server" grep -q ^boot "$T/calls"
assert_equal "said once" 1 "$(grep -c '^network: eth0: no server answers there$' "$T/calls")"
echo eth1 >>"$T/addressed"
echo eth1 >"$T/reaches"
mkdir -p "$T/sys/class/net/eth1"
echo 3 >"$T/sys/class/net/eth1/ifindex"
echo DNS=10.0.3.3 >"$T/run/systemd/netif/links/3"
hr_sys=$T/sys hook hydroot-settled.sh
assert_equal "in this order" "asks eth0
asks eth1
ip -4 route replace default via 10.0.3.2 dev eth1 metric 0
ip -6 route replace default via fe80::2 dev eth1 metric 1
network: eth1: a server answers there
take eth1
boot /sysroot " "$(sed -n '/^asks eth1/,$p' "$T/calls" | { echo "asks eth0"; grep -v hydrootd; })"
assert_equal "its name servers" "nameserver names-of-eth1" "$(cat "$T/resolv.conf")"
# network-legacy may have given the default route to another one since.
rm "$T/calls"
hook hydroot-pivot.sh
assert_contains "its gateway" '^ip -4 route replace default via 10.0.3.2 dev eth1 metric 0$' "$T/calls"

# None reaches one: what has an address is used when the time is over.
again
rm "$T/run/hydroot/.way"
: >"$T/reaches"
hook hydroot-settled.sh
echo '69.00 5.00' >"$T/uptime"
hook hydroot-settled.sh
refute "mounted before the time is over" grep -q ^boot "$T/calls"
echo '70.10 5.00' >"$T/uptime"
hook hydroot-settled.sh
assert_equal "mounted then" "take
boot /sysroot " "$(grep -E '^(take|boot)' "$T/calls")"

# BOOTIF leaves one, as the device of a single ip= does.
for line in hydroot_bootif_mac=52:54:00:12:34:56 'hydroot_n_ip=1 hydroot_ip_1_device=eth0'; do
	again
	cp "$T/lib/boot.sh" "$T/kept"
	echo "hr_is_ours() { $line; }" >>"$T/lib/boot.sh"
	hook hydroot-settled.sh
	cp "$T/kept" "$T/lib/boot.sh"
	assert_equal "with $line" "take boot /sysroot" "$(calls)"
done

# Before network-legacy has set the routes, in a job, there is only half an interface.
again
echo eth0 >"$T/links"
touch "$T/hooks/initqueue/setup_net_eth0.sh"
echo eth0 >"$T/addressed"
hook hydroot-settled.sh
refute "mounted without routes" grep -q ^boot "$T/calls"
hook hydrootroot.sh eth0
assert_contains "by that job" '^boot /sysroot' "$T/calls"
rm "$T/hooks/initqueue/setup_net_eth0.sh" "$T/addressed"

# In the rescue system dracut's network may come up later: it is said once.
for when in before after; do
	[ $when = before ] || echo eth0 >"$T/addressed"
	dash -c "getarg() { :; }; getargbool() { false; }; . $T/lib/hydroot-lib.sh; hr_print() { echo \"\$*\"; }
		hr_network_failed=why; hr_rescue_network; hr_rescue_network" >"$T/rescue.$when"
done
assert_equal "without an address" "" "$(cat "$T/rescue.before")"
assert_equal "with an address" "onfail=rescue: the network is up" "$(cat "$T/rescue.after")"
rm "$T/addressed"

# One on a disk with ip= has dracut's network, which nobody waits for then.
rm -rf "$T/run/hydroot" "$T/calls" "$T/cmdline.d"
touch "$T/local-with-ip"
hook parse-hydroot.sh
assert_contains "a network is asked for" '^rd\.neednet=1$' "$T/cmdline.d/50-hydroot.conf"
touch "$T/hooks/initqueue/finished/wait-eth0.sh" "$T/hooks/initqueue/finished/nm.sh"
hook hydroot-settled.sh
assert_equal "from a disk, with ip=" "boot /sysroot " "$(grep -E '^(take|boot)' "$T/calls")"
assert_equal "what dracut waits for" hydroot.sh "$(ls "$T/hooks/initqueue/finished")"

# An image on a disk needs none.
rm -r "$T/run/hydroot" "$T/calls"
touch "$T/local"
hook parse-hydroot.sh
hook hydroot-settled.sh
assert_equal "from a disk" "boot /sysroot " "$(grep ^boot "$T/calls")"
