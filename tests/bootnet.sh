# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# bootnet.sh - for tests of the boot's network: cards with networks behind them in namespaces, and the initramfs's scripts
# over them.  After lib.sh.

# Sets $networkd, which is in no PATH.
requires_networkd()
{
	networkd=/lib/systemd/systemd-networkd
	[ -x $networkd ] || skip "needs systemd-networkd"
}

# own_machine SECONDS [SCENARIO]: runs the test again in a network and a /run of its own, where HYDROOT_INSIDE is the
# scenario; a machine without udev, which networkd calls a container
own_machine()
{
	HYDROOT_INSIDE=${2:-1} timeout "$1" unshare -n -m "$0"
}

enter_machine()
{
	mount --make-rprivate /
	mount -t tmpfs tmpfs /run
	mount -t sysfs -o ro sysfs /sys
	mkdir -p /run/systemd/netif /run/hydroot /run/netns
	chown systemd-network /run/systemd/netif 2>/dev/null || true
	echo lxc >/run/systemd/container
	: >/run/resolv.conf
	mount --bind /run/resolv.conf /etc/resolv.conf
	ip link set lo up
	cp initramfs/standalone/dhcp.sh /run/dhcp.sh
	chmod 755 /run/dhcp.sh
	defer end_dhcp_clients
}

# card NUMBER: ethNUMBER, whose cable ends in the namespace srvNUMBER as v, 10.77.NUMBER.1
card()
{
	ip netns add "srv$1"
	ip link add "eth$1" type veth peer name v netns "srv$1"
	ip -n "srv$1" addr add "10.77.$1.1/24" dev v
	ip -n "srv$1" link set v up
	ip -n "srv$1" link set lo up
	ip link set "eth$1" up
}

# dhcp_server NUMBER [INTERFACE]: in the namespace of that card, or here at that interface; it names
# itself for DNS, and gives leases of $lease_seconds, of $first_address on
lease_seconds=60 first_address=50
dhcp_server()
{
	local within=(ip netns exec "srv$1")
	[ -z "${2-}" ] || within=()
	printf '%s\n' "start 10.77.$1.$first_address" "end 10.77.$1.$((first_address + 10))" "interface ${2:-v}" "lease_file $T/leases$1" \
		"pidfile $T/udhcpd$1.pid" 'opt subnet 255.255.255.0' "opt router 10.77.$1.1" "opt dns 10.77.$1.1" \
		"opt lease $lease_seconds" >"$T/udhcpd$1.conf"
	touch "$T/leases$1"
	"${within[@]}" busybox udhcpd -f -S "$T/udhcpd$1.conf" >"$T/udhcpd$1.log" 2>&1 &
	dhcp_server_pid=$!
	defer end_process $dhcp_server_pid
}

# web_server NUMBER: something that takes connections at port 80 there
web_server()
{
	ip netns exec "srv$1" busybox nc -ll -p 80 -e true >/dev/null 2>&1 &
	defer end_process $!
}

has_carrier() { [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; }

# net_scripts SNIPPET: run with the scripts of the initramfs, and what they say in $T/initramfs; every interface but lo and
# VLANs is a card
net_scripts()
{
	# A pipe: what stays behind would hold it.
	busybox sh -c "hr_lib=initramfs; . initramfs/boot.sh
		for f in links address net; do . initramfs/standalone/\$f.sh; done
		net_dhcp_script=/run/dhcp.sh hr_console=/dev/stdout net_timeout=60
		hr_links() { ls /sys/class/net | grep -v '^lo\$\|^vlan'; }
		$1" 2>&1 | cat >"$T/initramfs"
}
evidence+=("$T/initramfs")

# Clients of DHCP in this network: PID INTERFACE, one a line.
dhcp_clients()
{
	pgrep -a --ns $$ --nslist net udhcpc | sed -n 's|^\([0-9]*\) .*udhcpc -i \([^ ]*\) .*|\1 \2|p'
}

# Those that renew stay when the scripts have ended.
end_dhcp_clients()
{
	local pid
	dhcp_clients | while read -r pid _; do end_process "$pid"; done
}
