#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
#
# There is only IPv6, by router advertisements: net.sh takes the address that comes by them, systemd-networkd takes the
# interface over with it, is restarted and stopped, and the server can be reached all the time
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/bootnet.sh
. "$TOP/tests/bootnet.sh"
requires root busybox ip unshare python3
requires_networkd
[ -e /proc/sys/net/ipv6/conf/lo ] || skip "this machine has no IPv6"

if [ -z "${HYDROOT_INSIDE-}" ]; then
	own_machine 110
	exit
fi
enter_machine

# A router that says so each second: fd77::/64, for a minute.  It is the server, too.
card 0
ip -n srv0 addr add fd77::1/64 dev v nodad
cat >"$T/router.py" <<'END'
import socket, struct, time
server = socket.create_server(('fd77::1', 80), family=socket.AF_INET6, backlog=100)
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex('v'))
prefix = struct.pack('!BBBBIII', 3, 4, 64, 0xc0, 60, 30, 0) + socket.inet_pton(socket.AF_INET6, 'fd77::')
while True:
    try:
        s.sendto(struct.pack('!BBHBBHII', 134, 0, 0, 64, 0, 60, 0, 0) + prefix, ('ff02::1', 0))
    except OSError:
        pass
    time.sleep(1)
END
ip netns exec srv0 python3 "$T/router.py" >"$T/router.log" 2>&1 &
defer end_process $!

# The initramfs.
net_scripts "hydroot_servers='http://[fd77::1]/i.hri' hydroot_n_ip=1 hydroot_ip_1_autoconf=auto6
	net_up || { echo \"failed: \$hr_error\"; exit 1; }
	hr_prepare_handover \"\$(cat \$hr_interfaces)\" ''" || fail "the network of the initramfs: $(cat "$T/initramfs")"
hydrootd --reach=eth0 'http://[fd77::1]/i.hri' || fail "the server cannot be reached at first"
addresses() { ip -6 -o addr show dev eth0 scope global | awk '{ print $4 }'; }
address=$(addresses)
assert_contains "the address" '^fd77:.*/64$' <(echo "$address")
network=/run/systemd/network/00-hydroot-eth0.network
refute "it is taken for a lease, or for an address of its own" grep -qE '^(DHCP|Address)=' $network

# untouched WHEN: for some seconds, in which the router says its word
untouched()
{
	local i
	for i in 1 2 3 4 5 6; do
		assert_equal "address $1" "$address" "$(addresses)"
		hydrootd --reach=eth0 'http://[fd77::1]/i.hri' || fail "$1 the server cannot be reached ($i): $(ip -6 addr; ip -6 route)"
		sleep 0.5
	done
}
start_networkd()
{
	$networkd >>"$T/networkd.log" 2>&1 &
	networkd_pid=$!
	defer end_process $networkd_pid
}
evidence+=("$T/networkd.log")
takes_over() { [ "$(cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" = 0 ]; }
start_networkd
wait_for 20 "networkd to take over" takes_over
untouched "with networkd"
end_process $networkd_pid
untouched "without networkd"
start_networkd
untouched "after a restart"
end_process $networkd_pid
