#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
#
# An address that an initramfs system has set with a lifetime lasts after the switch, whichever `ip` the initramfs
# has; its route's metric stays, and addresses that the kernel renews by router advertisements stay as they are
. "$(dirname "$0")/../lib.sh"
requires root busybox ip unshare

# In a network of its own.
if [ -z "${HYDROOT_INSIDE-}" ]; then
	HYDROOT_INSIDE=1 timeout 60 unshare -n "$0"
	exit
fi
ip link add eth0 type veth peer name other
for name in eth0 other; do ip link set $name up; done

leave() # IP-COMMAND: what hr_leave does for the interface
{
	mkdir -p "$T/run"
	busybox sh -c "hr_lib=initramfs hr_run=$T/run; . initramfs/boot.sh; hr_console=/dev/stdout; hr_name_servers() { :; }
		ip() { command $1 \"\$@\"; }; hr_prepare_handover eth0 ''" >"$T/said" 2>&1 || fail "$(cat "$T/said")"
}
lifetimes() { ip -o addr show dev eth0 scope global | sed -E 's/.*(inet6?) ([^ ]*).*valid_lft ([^ ]*) .*/\2 \3/' | sort; }

for command in "$(command -v ip)" "busybox ip"; do
	ip addr flush dev eth0 scope global
	echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra
	ip addr add 10.77.0.2/24 brd + dev eth0 metric 1024 valid_lft 90 preferred_lft 60
	ip addr add 10.78.0.2/24 brd + dev eth0
	ip addr add 2001:db8:1::2/128 dev eth0 valid_lft 90 preferred_lft 60 noprefixroute
	ip addr add 2001:db8:2::2/64 dev eth0 valid_lft 90 preferred_lft 60 mngtmpaddr
	leave "$command"
	assert_equal "$command: all last" "10.77.0.2/24 forever
10.78.0.2/24 forever
2001:db8:1::2/128 forever
2001:db8:2::2/64 forever" "$(lifetimes)"
	assert_contains "networkd renews" '^DHCP=yes$' "$T/run/systemd/network/00-hydroot-eth0.network"
	refute "a route that was not there" grep -q '^2001:db8:1::2' <(ip -6 route)
	assert_equal "messages" "" "$(cat "$T/said")"
done
ip addr flush dev eth0 scope global
ip addr add 10.77.0.2/24 brd + dev eth0 metric 1024 valid_lft 90 preferred_lft 60
ip addr add 2001:db8:2::2/64 dev eth0 valid_lft 90 preferred_lft 60 mngtmpaddr
echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra
leave "$(command -v ip)"
assert_contains "the metric" 'src 10.77.0.2 metric 1024' <(ip route)
assert_contains "the kernel renews" '^2001:db8:2::2/64 [0-9]+sec$' <(lifetimes)
leave "busybox ip"
assert_contains "the kernel renews" '^2001:db8:2::2/64 [0-9]+sec$' <(lifetimes)
