#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 180
#
# The boot's network outlives the initramfs: net.sh gets a lease from a real DHCP server, by the interface of
# two that reaches the server; systemd-networkd takes the interface over with the same address, is
# restarted, and is stopped; the DHCP client that stands in for networkd keeps the address, too
. "$(dirname "$0")/../lib.sh"
requires root busybox ip unshare
networkd=/lib/systemd/systemd-networkd
[ -x $networkd ] || skip "needs systemd-networkd"

# In a network and a /run of its own; a machine without udev, which networkd calls a container.
if [ -z "${HYDROOT_INSIDE-}" ]; then
	HYDROOT_INSIDE=1 timeout 170 unshare -n -m "$0"
	exit
fi
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -t sysfs -o ro sysfs /sys
mkdir -p /run/systemd/netif /run/hydroot /run/netns
chown systemd-network /run/systemd/netif 2>/dev/null || true
echo lxc >/run/systemd/container
: >/run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
ip link set lo up

# net NUMBER: a network 10.77.NUMBER.0/24 behind ethNUMBER, with a DHCP server that names itself for DNS
net()
{
	ip netns add "srv$1"
	ip link add "eth$1" type veth peer name v netns "srv$1"
	ip -n "srv$1" addr add "10.77.$1.1/24" dev v
	ip -n "srv$1" link set v up
	ip -n "srv$1" link set lo up
	ip link set "eth$1" up
	printf '%s\n' "start 10.77.$1.50" "end 10.77.$1.60" 'interface v' "lease_file /run/leases$1" \
		'opt subnet 255.255.255.0' "opt router 10.77.$1.1" "opt dns 10.77.$1.1" \
		'opt lease 60' >"/run/udhcpd$1.conf"
	touch "/run/leases$1"
	ip netns exec "srv$1" busybox udhcpd -f -S "/run/udhcpd$1.conf" >"$T/udhcpd$1.log" 2>&1 &
	defer end_process $!
}
net 0
net 1
ip netns exec srv1 busybox nc -ll -p 80 -e true >/dev/null 2>&1 &
defer end_process $!

has_carriers() { [ "$(cat /sys/class/net/eth0/carrier /sys/class/net/eth1/carrier | xargs)" = "1 1" ]; }
wait_for 10 "both links" has_carriers

# The initramfs.
cp initramfs/standalone/dhcp.sh /run/dhcp.sh
chmod 755 /run/dhcp.sh
sed 's|/lib/hydroot/dhcp.sh|/run/dhcp.sh|' initramfs/standalone/net.sh >"$T/net.sh"
busybox sh -c "hr_lib=initramfs; . initramfs/boot.sh; . $T/net.sh
	hr_console=/dev/stdout net_timeout=60 hydroot_servers=http://10.77.1.1/i.hri
	hr_links() { echo eth0; echo eth1; }
	net_up || { echo \"failed: \$hr_error\"; exit 1; }
	hr_prepare_handover \"\$(cat \$hr_interfaces)\" ''" 2>&1 | cat >"$T/initramfs" ||
	fail "the network of the initramfs: $(cat "$T/initramfs")"
assert_contains "the first is given up" 'network: eth0: no server answers there$' "$T/initramfs"
assert_equal "the interface" eth1 "$(cat /run/hydroot/.interfaces)"
assert_equal "name servers" "nameserver 10.77.1.1" "$(grep ^nameserver /etc/resolv.conf)"
assert_equal "addresses of the other" "" "$(ip -4 -o addr show eth0)"
addresses() { ip -4 -o addr show eth1 | awk '{ print $4 }'; }
address=$(addresses)
assert_contains "the lease" '^10\.77\.1\.5[0-9]/24|^10\.77\.1\.60/24' <(echo "$address")

# networkd of the root.
start_networkd()
{
	$networkd >>"$T/networkd.log" 2>&1 &
	networkd_pid=$!
}
evidence+=("$T/networkd.log")
renewed() { ip route show dev eth1 | grep -q '^default.*proto dhcp'; }
start_networkd
wait_for 20 "networkd to have a lease" renewed
assert_equal "address with networkd" "$address" "$(addresses)"
end_process $networkd_pid
assert_equal "address without networkd" "$address" "$(addresses)"
start_networkd
wait_for 20 "networkd to be there again" renewed
assert_equal "address after a restart" "$address" "$(addresses)"
assert "the route of the boot" grep -q '^default via 10.77.1.1 dev eth1 $' <(ip route)
end_process $networkd_pid

# Where there is no networkd, the client that renews.
if [ -x /run/hydroot/.tools/busybox ]; then
	assert_contains "its unit" '^ExecStart=.*busybox udhcpc -f -i %i ' /run/systemd/system/hydroot-lease@.service
	IPV4ADDR=${address%/*} /run/hydroot/.tools/busybox udhcpc -f -i eth1 -r "${address%/*}" \
		-s /run/hydroot/.tools/lease >"$T/lease.log" 2>&1 &
	defer end_process $!
	evidence+=("$T/lease.log")
	wait_for 20 "a lease" grep -q "lease of ${address%/*} obtained" "$T/lease.log"
	assert_equal "address with the client" "$address" "$(addresses)"
fi
