#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 240
#
# Cards and networks that are late, in the way or wrong, and what net.sh makes of them: each scenario below is a machine of
# its own, whose cards have cables into namespaces
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/bootnet.sh
. "$TOP/tests/bootnet.sh"
requires root busybox ip unshare perl

addresses() { ip -o addr show dev "$1" scope global | awk '{ print $4 }' | xargs; }
is_up() { ip -o link show dev "$1" | grep -q '[<,]UP[,>]'; }

# A DHCP server lets another one answer first, for seven seconds.
late_dhcp()
{
	card 0
	ip -n srv0 route add 255.255.255.255 dev v
	ip netns exec srv0 perl tests/late-dhcp.pl 7 10.77.0.50 &
	defer end_process $!
	net_scripts 'net_timeout=40 hr_console=/dev/stdout; net_up || echo "failed: $hr_error"'
	assert_equal "address" 10.77.0.50/24 "$(addresses eth0)"
	assert_equal "clients that stay" eth0 "$(dhcp_clients | sed 's/.* //')"
}

# Three cards have cables, but nobody answers there: that does not hold up the fourth.
many_cards()
{
	local n
	for n in 0 1 2 3; do
		card $n
		wait_for 10 "the link" has_carrier eth$n
	done
	dhcp_server 3
	net_scripts 'hr_reaches() { ls /run/hydroot/.dhcp-* >/run/asking; [ $1 = eth3 ]; }; net_up || echo "failed: $hr_error"'
	assert_equal "asking at the same time" "eth0 eth1 eth2 eth3" "$(sed 's/.*-//' /run/asking | xargs)"
	assert_contains "the fourth" '^10\.77\.3\.' <(addresses eth3)
	assert_equal "clients that stay" eth3 "$(dhcp_clients | sed 's/.* //')"
	refute "one that was not chosen stays up" is_up eth0
	assert "the chosen one is up" is_up eth3
}

# Two static addresses; cables come one after the other, while the rescue system waits.
static_rescue()
{
	card 0
	card 1
	ip -n srv0 link set v down
	ip -n srv1 link set v down
	net_scripts 'net_timeout=2 hydroot_n_ip=2; cable() { nsenter --net=/run/netns/$1 ip link set v up; sleep 0.5; }
		hr_reaches() { false; }
		for n in 0 1; do
			eval "hydroot_ip_$((n + 1))_client=10.77.$n.9 hydroot_ip_$((n + 1))_gateway=10.77.$n.1"
			eval "hydroot_ip_$((n + 1))_autoconf=none hydroot_ip_$((n + 1))_device=eth$n"
		done
		net_up || hr_network_failed=$hr_error
		echo "first: $hr_network_failed"
		cable srv0
		hr_rescue_network
		hr_rescue_network
		cable srv1
		hr_rescue_network
		echo "last: $hr_network_failed"'
	assert_contains "the first reason" '^first: network: no link on eth0: ' "$T/initramfs"
	assert_contains "the newest reason" 'onfail=rescue: network: no link on eth1: ' "$T/initramfs"
	assert_contains "no reason any more" '^last: $' "$T/initramfs"
	refute "what is there already is in the way" grep -q 'File exists' "$T/initramfs"
	assert_equal "the first address" 10.77.0.9/24 "$(addresses eth0)"
	assert_equal "the second address" 10.77.1.9/24 "$(addresses eth1)"
	assert_contains "the gateway of the first goes before" '^default via 10\.77\.0\.1 dev eth0 $' <(ip route)
	assert_contains "that of the second" '^default via 10\.77\.1\.1 dev eth1 metric 1 $' <(ip route)
}

# A static IPv6 address for one of two cards; the first is the wrong one, and has router advertisements, too.
static6()
{
	[ -e /proc/sys/net/ipv6/conf/lo ] || return 0
	card 0
	card 1
	ip -n srv1 addr add fd00::1/64 dev v nodad
	ip -6 addr add 2001:db8::7/64 dev eth0
	ip -6 route add default via fe80::1 dev eth0 metric 1024 proto ra
	net_scripts 'net_timeout=30; hydroot_n_ip=1 hydroot_ip_1_client=fd00::2 hydroot_ip_1_netmask=64 hydroot_ip_1_gateway=fd00::1
		hydroot_ip_1_autoconf=none; hr_reaches() { ping -c 1 -W 1 -I $1 fd00::1 >/dev/null 2>&1; }
		net_up || echo "failed: $hr_error"'
	assert_contains "the first is given up" 'network: eth0: no server answers there$' "$T/initramfs"
	assert_contains "the second is taken" '^fd00::2/64$' <(addresses eth1)
	assert_contains "the way out" '^default via fd00::1 dev eth1 ' <(ip -6 route)
	assert_equal "other ways" "" "$(ip -6 route | grep 'dev eth0')"
}

# A static address that one of two cards does not take.
static_fails()
{
	card 0
	card 1
	net_scripts 'net_timeout=20; hydroot_n_ip=1 hydroot_ip_1_client=10.77.1.9 hydroot_ip_1_netmask=24 hydroot_ip_1_gateway=10.77.1.1
		hydroot_ip_1_autoconf=none; hr_reaches() { [ $1 = eth1 ]; }
		ip() { case "$*" in *" addr "*"/24 dev eth0") echo "ip: no" >&2; return 1 ;; esac; command ip "$@"; }
		net_up || echo "failed: $hr_error"'
	assert_equal "address" 10.77.1.9/24 "$(addresses eth1)"
}

# A card that comes late gets its name; two change theirs.
names()
{
	card 0
	card 1
	mac0=$(cat /sys/class/net/eth0/address) mac1=$(cat /sys/class/net/eth1/address)
	net_scripts "net_timeout=20 hydroot_n_ifname=3 hydroot_ifname_1=eth0:$mac1 hydroot_ifname_2=eth1:$mac0
		hydroot_ifname_3=net0:52:54:00:00:00:09 hydroot_n_ip=1 hydroot_ip_1_client=10.77.2.9 hydroot_ip_1_autoconf=none
		hydroot_ip_1_device=net0
		{ sleep 2; $(command -v ip) link add eth5 address 52:54:00:00:00:09 type veth peer name late; ip link set late up; } &
		hr_links() { ls /sys/class/net | grep '^eth\|^net0'; }
		net_up || echo \"failed: \$hr_error\"; wait"
	assert_equal "address" 10.77.2.9/24 "$(addresses net0)"
	assert_equal "the first" "$mac1" "$(cat /sys/class/net/eth0/address)"
	assert_equal "the second" "$mac0" "$(cat /sys/class/net/eth1/address)"
	refute "a card was missed" grep -q 'no interface with that address' "$T/initramfs"
}

# Of two ip= one never gets an address; the server is reached by the other.
one_of_two()
{
	card 0
	card 1
	ip -n srv1 link set v down
	dhcp_server 0
	net_scripts 'net_timeout=30 hydroot_attach_timeout=4 hydroot_n_ip=2 hydroot_ip_1_autoconf=dhcp hydroot_ip_2_autoconf=dhcp
		hydroot_ip_1_device=eth1 hydroot_ip_2_device=eth0; hr_reaches() { [ $1 = eth0 ]; }
		net_up && echo "up" || echo "failed: $hr_error"'
	assert_contains "the boot goes on" '^up$' "$T/initramfs"
	assert_contains "without what" 'warning: network: going on without .* no link on eth1: ' "$T/initramfs"
	assert_equal "clients that stay" eth0 "$(dhcp_clients | sed 's/.* //')"
}

# A VLAN is set up, and found by an ip= that names no device.
vlan()
{
	card 0
	ip -n srv0 link add link v name v5 type vlan id 5 2>/dev/null || { note "this kernel has no 8021q: tests/slow/vlan.sh shows it"; return 0; }
	ip -n srv0 addr add 10.77.5.1/24 dev v5
	ip -n srv0 link set v5 up
	net_scripts "hydroot_n_vlan=1 hydroot_vlan_1=vlan5:eth0 hydroot_bootif_mac=$(cat /sys/class/net/eth0/address) hydroot_n_ip=1
		hydroot_ip_1_client=10.77.5.9 hydroot_ip_1_autoconf=none; net_up || echo \"failed: \$hr_error\""
	assert_equal "address" 10.77.5.9/24 "$(addresses vlan5)"
	assert "its other end" ping -c 1 -W 5 10.77.5.1
}

# A card gets another address, which it takes while it is down only; another takes none.
mac_address()
{
	card 0
	card 1
	wait_for 10 "the link" has_carrier eth0
	wait_for 10 "the other link" has_carrier eth1
	net_scripts 'net_timeout=20 hydroot_attach_timeout=4 hydroot_n_ip=2 hydroot_ip_1_macaddr=52:54:00:00:00:0A hydroot_ip_2_macaddr=01:00:00:00:00:01
		for n in 0 1; do
			eval "hydroot_ip_$((n + 1))_client=10.77.$n.9 hydroot_ip_$((n + 1))_autoconf=none hydroot_ip_$((n + 1))_device=eth$n"
		done
		ip()
		{
			case "$*" in
			"link set eth0 address"*)
				if [ "$(cat /sys/class/net/eth0/operstate)" = up ]; then
					echo "RTNETLINK answers: Device or resource busy" >&2
					return 2
				fi
				;;
			"link set eth1 address"*) echo tried >>/run/tried ;;
			esac
			command ip "$@"
		}
		hr_reaches() { [ $1 = eth0 ]; }
		net_up || echo "failed: $hr_error"'
	assert_equal "the first" "52:54:00:00:00:0a 10.77.0.9/24" "$(cat /sys/class/net/eth0/address) $(addresses eth0)"
	assert_contains "the second" \
		'warning: network: going on without another interface: eth1: MAC address 01:00:00:00:00:01 refused: .*[Cc]annot assign' "$T/initramfs"
	assert_equal "lines about it" "" "$(grep -v 'hydroot: ' "$T/initramfs")"
	assert_equal "tries" tried "$(cat /run/tried)"
}

if [ -n "${HYDROOT_INSIDE-}" ]; then
	enter_machine
	"$HYDROOT_INSIDE"
	exit
fi
for scenario in ${HYDROOT_SCENARIO:-late_dhcp many_cards static_rescue static6 static_fails names one_of_two vlan mac_address}; do
	note "$scenario"
	own_machine 60 "$scenario"
done
