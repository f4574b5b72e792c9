#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
#
# The boot comes over a bridge.  systemd-networkd of the root leaves bridge and port as they are, also when it is
# restarted; when the root is resident, the root's own set-up takes the port from it, into a bridge of its own with
# another address, and no file of the boot holds it back
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/bootnet.sh
. "$TOP/tests/bootnet.sh"
requires root busybox ip unshare dbus-daemon networkctl
requires_networkd

if [ -z "${HYDROOT_INSIDE-}" ]; then
	own_machine 110
	exit
fi
enter_machine
mkdir -p /run/hydroot/root /run/dbus
dbus-daemon --system --nofork --nopidfile >"$T/dbus.log" 2>&1 &
defer end_process $!
wait_for 10 "the bus" test -S /run/dbus/system_bus_socket

# The initramfs: br0 over lan0.
ip link add br0 type bridge
ip link add lan0 type veth peer name other
ip link set lan0 master br0
for name in br0 lan0 other; do ip link set $name up; done
ip addr add 10.77.0.2/24 brd + dev br0
busybox sh -c "hr_lib=initramfs; . initramfs/boot.sh; hr_console=/dev/stdout; hr_prepare_handover br0 ''" \
	>"$T/said" 2>&1 || fail "hr_prepare_handover: $(cat "$T/said")"
assert_equal "messages" "" "$(cat "$T/said")"

# What the root has of its own.
dir=/run/systemd/network
mkdir -p $dir
printf '[NetDev]\nName=own0\nKind=bridge\n' >$dir/50-own.netdev
printf '[Match]\nName=lan0\n[Network]\nBridge=own0\n' >$dir/51-port.network
printf '[Match]\nName=own0\n[Network]\nAddress=10.78.0.5/24\n' >$dir/52-own.network

evidence+=("$T/networkd.log")
start_networkd()
{
	$networkd >>"$T/networkd.log" 2>&1 &
	networkd_pid=$!
}
# is STATE INTERFACE; a link that asks for routers is not configured for long.
is() { grep -qxE "ADMIN_STATE=($1)" "/run/systemd/netif/links/$(cat "/sys/class/net/$2/ifindex")"; }
is_ready() { is 'configuring|configured' br0 && is configured lan0; }
port_of() { basename "$(readlink /sys/class/net/lan0/master)"; }
addresses() { ip -4 -o addr show dev "$1" | awk '{ print $4 }'; }

for turn in "the start" "a restart"; do
	start_networkd
	wait_for 20 "networkd to be ready" is_ready
	assert_equal "the port after $turn" br0 "$(port_of)"
	assert_equal "the address after $turn" 10.77.0.2/24 "$(addresses br0)"
	assert_equal "addresses of the port" "" "$(ip -o addr show dev lan0)"
	end_process "$networkd_pid"
	rm -f /run/systemd/netif/links/*
done
start_networkd
defer end_process "$networkd_pid"
wait_for 20 "networkd to be ready" is_ready

# The root is resident.  Of systemd there is networkd only.
mkdir "$T/bin"
# shellcheck disable=SC2016 # its own arguments
printf '#!/bin/sh\ncase "$*" in *is-active*systemd-networkd | stop* | daemon-reload) ;; *) exit 1 ;; esac\n' >"$T/bin/systemctl"
chmod +x "$T/bin/systemctl"
true >/run/hydroot/root/resident
PATH=$T/bin:$PATH sh /run/hydroot/.scripts/release.sh >"$T/released" 2>&1 || fail "release.sh: $(cat "$T/released")"
assert_equal "messages" "" "$(cat "$T/released")"
is_taken() { [ "$(port_of)" = own0 ] && [ "$(addresses own0)" = 10.78.0.5/24 ]; }
wait_for 20 "the root's own bridge" is_taken
assert_equal "files before those of the root" "" "$(find /run/systemd /run/NetworkManager -name '00-hydroot*')"
assert_contains "whose file the port has" '^NETWORK_FILE=.*/51-port.network$' \
	"/run/systemd/netif/links/$(cat /sys/class/net/lan0/ifindex)"
