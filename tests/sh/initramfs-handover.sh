#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the initramfs leaves in /run for the root's programs until the root is resident, and that the
# script which runs then takes all of it away
. "$(dirname "$0")/../lib.sh"
requires busybox dash

mkdir -p "$T/run/hydroot" "$T/sys/class/net/eth0" "$T/sys/class/net/ib0"
echo 52:54:00:12:34:56 >"$T/sys/class/net/eth0/address"
echo 80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01 >"$T/sys/class/net/ib0/address"

prepare() # SETTINGS
{
	busybox sh -c "hr_lib=initramfs; hr_run=$T/run hr_sys=$T/sys; . initramfs/boot.sh
		hr_mount() { :; }; hr_name_servers() { echo 10.0.0.3; echo 10.0.0.2; echo 10.0.0.3; }
		ip()
		{
			case \$5 in
			ib0) echo '3: ib0 inet 10.5.0.2/24 brd 10.5.0.255 scope global ib0' ;;
			esac
		}
		hr_console=$T/said hr_resolv_conf=$T/resolv.conf; $1; hr_prepare_handover '${used-eth0 ib0}' '$T/root'" || fail "hr_prepare_handover"
}
mkdir -p "$T/root/etc" "$T/sys/class/net/eth0/device"
printf "PROTO='dhcp'\nIPV4ADDR='10.0.0.9'\n" >"$T/run/net-eth0.conf"
printf 'search x\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver 10.0.0.4\n' >"$T/resolv.conf"
prepare 'hydroot_report=http://some:secret@h/r'
run=$T/run
assert_contains "networkd" '^MACAddress=52:54:00:12:34:56$' "$run/systemd/network/00-hydroot-eth0.network"
network=$run/systemd/network/00-hydroot-eth0.network
assert_contains "networkd keeps" '^KeepConfiguration=yes$' "$network"
assert_contains "without a link, too" '^IgnoreCarrierLoss=yes$' "$network"
assert_contains "networkd renews" '^DHCP=yes$' "$network"
assert_contains "as the same client" '^ClientIdentifier=mac$' "$network"
assert_equal "name servers" "DNS=10.0.0.3 DNS=10.0.0.2 DNS=10.0.0.4" "$(grep ^DNS "$network" | xargs)"
assert_contains "a VLAN above is not meant" '^Kind=!\*$' "$network"
assert_contains "its name" '^NamePolicy=keep$' "$run/systemd/network/00-hydroot-eth0.link"
refute "a URL with a password is left" grep -rq some:secret "$run"
assert_contains "InfiniBand" '^Name=ib0$' "$run/systemd/network/00-hydroot-ib0.network"
assert_contains "its name" '^OriginalName=ib0$' "$run/systemd/network/00-hydroot-ib0.link"
assert_contains "static" '^Address=10.5.0.2/24$' "$run/systemd/network/00-hydroot-ib0.network"
refute "static, with DHCP" grep -q ^DHCP= "$run/systemd/network/00-hydroot-ib0.network"
assert_contains "NetworkManager's name servers" '^servers=10.0.0.3,10.0.0.2,10.0.0.4$' \
	"$run/NetworkManager/conf.d/00-hydroot-eth0.conf"
assert "a unit renews the lease" test -h "$run/systemd/system/multi-user.target.wants/hydroot-lease@eth0.service"
refute "one renews no lease" test -e "$run/systemd/system/multi-user.target.wants/hydroot-lease@ib0.service"
assert "a busybox of its own" test -x "$run/hydroot/.tools/busybox"
# Behind all others, and by what NetworkManager compares anew when it reloads.
assert_equal "NetworkManager" '[keyfile] unmanaged-devices+=interface-name:eth0' \
	"$(xargs <"$run/NetworkManager/conf.d/zz-hydroot-eth0.conf")"
for unit in networking ifup@; do
	assert_contains "$unit" '=!/run/hydroot/.scripts/settings$' \
		"$run/systemd/system/$unit.service.d/00-hydroot.conf"
done
for unit in systemd-suspend systemd-hibernate; do
	assert_contains "$unit" 'nosleep\.sh$' "$run/systemd/system/$unit.service.d/00-hydroot.conf"
done
# A generator in the root does not say again what ip= says; names stay.
generator=$run/systemd/system/systemd-network-generator.service.d/00-hydroot.conf
assert_contains "the generator" '^Environment="SYSTEMD_PROC_CMDLINE="$' "$generator"
echo 'quiet ip=dhcp ifname=eth5:52:54:00:00:00:01 root=hydroot:http://h/i net.ifname_policy=path nameserver=1.1.1.1' >"$T/cmdline"
prepare "hydroot_report=http://h/r hr_cmdline=$T/cmdline"
assert_contains "names" '^Environment="SYSTEMD_PROC_CMDLINE=ifname=eth5:52:54:00:00:00:01 net.ifname_policy=path"$' "$generator"
program=/lib/systemd/systemd-network-generator
if [ -x $program ]; then
	env "$(sed -n 's/^Environment="\(.*\)"$/\1/p' "$generator")" $program --root "$T/generated"
	assert_equal "what it makes" 1 "$(find "$T/generated" -type f | wc -l)"
fi
# Sleep is refused on the console, too; afterwards it is not.
mkdir -p "$run/hydroot/root"
expect_exit 1 env hr_run="$run" hr_console="$T/console" sh "$run/hydroot/.scripts/nosleep.sh"
assert_contains "why" 'sleep is refused: the root still comes over the network' "$T/console"
touch "$run/hydroot/root/resident"
expect_exit 0 env hr_run="$run" hr_console="$T/console" sh "$run/hydroot/.scripts/nosleep.sh"
assert "the path is started" test -e "$run/systemd/system/paths.target.wants/hydroot-resident.path"
if command -v systemd-analyze >/dev/null; then
	cp -r "$run/systemd/system" "$T/units"
	sed -i 's|/run/hydroot/.tools/busybox|/bin/true|' "$T"/units/*.service
	SYSTEMD_UNIT_PATH="$T/units:" systemd-analyze verify --man=no --recursive-errors=no \
		"$T/units/hydroot-resident.path" "$T/units/hydroot-resident.target" \
		"$T/units/hydroot-release.service" "$T/units/hydroot-wait-resident.service" \
		"$T/units/hydroot-progress.service" "$T/units/hydroot-watchdogs.service" \
		"$T/units/multi-user.target.wants"/* >"$T/out" 2>&1 || true
	refute "systemd finds fault: $(cat "$T/out")" grep -q 'units/hydroot-.*: ' "$T/out"
fi

# The other end: the script, with /run moved and made-up tools that tell what they were asked.
mkdir "$T/bin"
for tool in systemctl networkctl nmcli ip; do
	printf '#!/bin/sh\necho "%s $*" >>%s/calls\n' "$tool" "$T" >"$T/bin/$tool"
	chmod +x "$T/bin/$tool"
done
# shellcheck disable=SC2016 # its own argument
printf '#!/bin/sh\n[ "$1" = eth0 ]\n' >"$T/bin/ifquery"
chmod +x "$T/bin/ifquery"
# The network is given back when hydrootd has posted the report over it, or when that took too long.
printf '#!/bin/sh\necho "sleep $*" >>%s/calls\n[ "$(grep -c ^sleep %s/calls)" != "${POSTED-3}" ] || touch %s/hydroot/root/reported\n' \
	"$T" "$T" "$run" >"$T/bin/sleep"
chmod +x "$T/bin/sleep"
release() { expect_exit 0 env PATH="$T/bin:$PATH" hr_run="$run" sh "$run/hydroot/.scripts/release.sh"; }
release
assert_equal "what is left" "" "$(find "$run" -name '*-hydroot*.*' ! -path "$run/systemd/system/hydroot-*")"
assert_contains "networkd is told" '^networkctl reload$' "$T/calls"
assert_contains "ifupdown starts" '^systemctl --no-block start networking$' "$T/calls"
# Of an interface that ifupdown knows, and before it starts.
assert_equal "cleared for ifupdown" "ip -4 addr flush dev eth0 scope global
ip -4 route flush default dev eth0
ip -6 addr flush dev eth0 scope global permanent
systemctl --no-block start networking" "$(grep -E '^ip .* flush|start networking$' "$T/calls")"
refute "an interface is cleared that ifupdown does not know" grep -q '^ip .* ib0' "$T/calls"
refute "networkd's file is left" test -e "$run/systemd/network/zz-hydroot-eth0.network"
assert "allow-hotplug" test -e "$run/network/restart-hotplug"
assert_equal "seconds until the report was posted" 3 "$(sed '/^sleep 1$/!Q' "$T/calls" | wc -l)"
rm "$T/calls"
release # once more does nothing
refute "something is done once more" test -e "$T/calls"
rm "$run/hydroot/root/reported"
prepare 'hydroot_report=http://h/r'
POSTED=never release
assert_equal "seconds that it is waited for" 15 "$(sed '/^sleep 1$/!Q' "$T/calls" | wc -l)"
assert_contains "then it goes on" '^systemctl --no-block start networking$' "$T/calls"
rm "$T/calls"
prepare 'hydroot_report='
release
refute "without report= something is waited for" grep -q ^sleep "$T/calls"

# With networkd alone the interface must not lose its address.
prepare 'hydroot_report='
printf '#!/bin/sh\ncase "$*" in *NetworkManager | *networking) exit 1 ;; esac\n' >"$T/bin/systemctl"
release
assert_contains "networkd keeps it, behind others" '^DHCP=yes$' "$run/systemd/network/zz-hydroot-eth0.network"
assert_equal "what is left" "" "$(find "$run" -name '00-hydroot*')"

# Each family by itself: static and by router advertisements, and by a lease of each.
rm -r "$run"
mkdir -p "$run/hydroot/root"
addresses() # LINE...
{
	prepare "ip() { case \$1\$5 in -oeth0) printf '2: eth0 %s\n' $(printf "'%s' " "$@") ;; esac; }"
	grep -E '^(DHCP|Address)=' "$network" | xargs
}
ra='inet6 fd00::5054:ff:fe12:3456/64 scope global dynamic mngtmpaddr '
assert_equal "static and router advertisements" "Address=10.0.0.9/24" \
	"$(addresses 'inet 10.0.0.9/24 brd 10.0.0.255 scope global eth0' "$ra")"
assert_equal "router advertisements alone" "" "$(addresses "$ra")"
assert_equal "a lease of IPv4" "DHCP=ipv4 Address=fd00::9/64" \
	"$(addresses 'inet 10.0.0.9/24 scope global dynamic eth0' 'inet6 fd00::9/64 scope global ')"
assert_equal "a lease of IPv6" "DHCP=ipv6 Address=10.0.0.9/24" \
	"$(addresses 'inet 10.0.0.9/24 scope global eth0' 'inet6 fd00::9/128 scope global dynamic noprefixroute ')"
assert_equal "leases of both" "DHCP=yes" "$(addresses 'inet 10.0.0.9/24 scope global dynamic eth0' \
	'inet6 fd00::9/128 scope global dynamic noprefixroute ')"

# A lease that another system has asked for, as dracut's, is renewed by the busybox that the builder has brought.
rm -r "$run"
mkdir -p "$run/hydroot/root"
lease="ip() { echo '2: eth0 inet 10.0.0.9/24 brd 10.0.0.255 scope global dynamic eth0\\ valid_lft 9sec'; }"
used=eth0 prepare "hr_own_busybox=$(command -v busybox); $lease"
assert "a unit renews the lease" test -h "$run/systemd/system/multi-user.target.wants/hydroot-lease@eth0.service"
assert_equal "its address" IPV4ADDR=10.0.0.9 "$(cat "$run/hydroot/.tools/eth0.env")"
# Where there is none, it is said once, unless the root has networkd.
rm -f "$T/said"
prepare "hr_find_busybox() { return 1; }; $lease"
assert_equal "messages" 1 "$(grep -c 'eth0 ib0: the DHCP lease is not renewed before residence: ' "$T/said")"
mkdir -p "$T/root/etc/systemd/system/multi-user.target.wants"
ln -s /dev/null "$T/root/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
rm -f "$T/said"
prepare "hr_find_busybox() { return 1; }; $lease"
refute "something is said" test -s "$T/said"

# A VLAN on a bond: all that is below it is kept, and ports stay in the bond.
rm -r "$run"
mkdir -p "$run/hydroot/root" "$T/sys/class/net"/{bond0.5/lower_bond0,bond0/lower_eth4,bond0/lower_eth5,eth4/master,eth5/master}
used=bond0.5 prepare 'hydroot_report='
for name in bond0.5 bond0 eth4 eth5; do
	assert "$name is kept" test -e "$run/systemd/network/00-hydroot-$name.network"
done
assert_equal "ports" "00-hydroot-eth4.network 00-hydroot-eth5.network" \
	"$(cd "$run/systemd/network" && grep -lx KeepMaster=yes 00-*.network | xargs)"

# An image on a local disk: no interface is kept, and neither ifupdown nor sleep waits for residence.
rm -r "$run"
mkdir -p "$run/hydroot/root"
rm -f "$T/said"
used='' prepare 'hydroot_mode=stream'
assert_equal "without a network" "" "$(find "$run" -name '*00-hydroot*')"
refute "something is said" test -s "$T/said"
used=eth0 prepare 'hydroot_mode=hybrid'
refute "something is said" test -s "$T/said"
