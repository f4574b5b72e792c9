#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 180
#
# The boot's network outlives the initramfs: net.sh gets a lease from a real DHCP server, by the interface of
# two that reaches the server, and renews it until the switch; systemd-networkd takes the interface
# over with the same address, is restarted, and is stopped; the DHCP client that stands in for
# networkd keeps the address, too
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/bootnet.sh
. "$TOP/tests/bootnet.sh"
requires root busybox ip unshare hydrootd gcc
requires_networkd

if [ -z "${HYDROOT_INSIDE-}" ]; then
	own_machine 170
	exit
fi
enter_machine
for n in 0 1; do
	card $n
	lease_seconds=10 dhcp_server $n
	wait_for 10 "the link" has_carrier eth$n
done
web_server 1

# A console that is not begun anew with each line.
mkfifo /run/console
cat <>/run/console >"$T/console" &
defer end_process $!
evidence+=("$T/console")

# The initramfs.
net_scripts 'hydroot_servers=http://10.77.1.1/i.hri
	hr_console=/run/console; net_up || { echo "failed: $hr_error" >>/run/console; exit 1; }' ||
	fail "the network of the initramfs"
assert_contains "the first is given up" 'network: eth0: no server answers there$' "$T/console"
assert_equal "the interface" eth1 "$(cat /run/hydroot/.interfaces)"
assert_equal "name servers" "nameserver 10.77.1.1" "$(grep ^nameserver /etc/resolv.conf)"
assert_equal "addresses of the other" "" "$(ip -4 -o addr show eth0)"
read -r client of < <(dhcp_clients)
assert_equal "the client that stays" eth1 "$of"
addresses() { ip -4 -o addr show eth1 | awk '{ print $4 }'; }
address=$(addresses)
assert_contains "the lease" '^10\.77\.1\.5[0-9]/24|^10\.77\.1\.60/24' <(echo "$address")

# While mode=full copies, for instance: the server hears of the node in time.  Another address is
# said, and not taken.
acks() { grep -c 'sending ACK' "$T/udhcpd1.log"; }
assert_equal "leases at first" 1 "$(acks)"
renewed_twice() { [ "$(acks)" -ge 3 ]; }
wait_for 40 "two renewals" renewed_twice
assert_equal "address after renewals" "$address" "$(addresses)"
assert_equal "the route after renewals" "default via 10.77.1.1 dev eth1" "$(ip route show default | xargs)"
kept=${address%/*}
refute "something is said" grep -q '^\[.*eth1: .*DHCP' "$T/console"
end_process "$dhcp_server_pid"
lease_seconds=10 first_address=80 dhcp_server 1
kill -USR2 "$client"
sleep 1
kill -USR1 "$client"
gives_another() { grep -q "warning: eth1: DHCP gives 10.77.1.[89][0-9] now: $kept stays$" "$T/console"; }
wait_for 40 "another address" gives_another
assert_equal "address after that" "$address" "$(addresses)"
end_process "$dhcp_server_pid"
lease_seconds=10 dhcp_server 1
for _ in 1 2; do
	env ip="$kept" interface=eth1 hr_lib="$TOP/initramfs" hr_console=/run/console message=$'not\n yours\e' \
		HYDROOT_LEASE=/run/hydroot/.lease-eth1 sh /run/dhcp.sh nak
done
assert_equal "refusals that are said" 1 "$(grep -c "warning: eth1: the DHCP server takes $kept back: not yours: it stays$" "$T/console")"

# The switch.
net_scripts 'hr_leave ""' || fail "the end of the initramfs"
has_no_client() { [ -z "$(dhcp_clients)" ]; }
wait_for 10 "the client to end" has_no_client
assert_equal "address at the switch" "$address" "$(addresses)"

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

# Where there is no networkd, the client that renews, by a static busybox and by one with libraries.  It needs nothing
# of the root.
cp "$(command -v busybox)" /run/busybox
printf '%s\n' '#include <unistd.h>' '#include <zstd.h>' 'int main(int n, char **v)' \
	'{ return !ZSTD_versionNumber() || n < 1 || execv("/run/busybox", v); }' >"$T/dynamic.c"
mkdir "$T/dynamic"
gcc -o "$T/dynamic/busybox" "$T/dynamic.c" -lzstd
mkdir -p "$T/bare/run" "$T/bare/dev"
mount --rbind /dev "$T/bare/dev"
defer umount -l "$T/bare/dev"
tools=/run/hydroot/.tools
for own in "$(command -v busybox)" "$T/dynamic/busybox"; do
	umount $tools
	busybox sh -c "hr_lib=initramfs hr_own_busybox=$own; . initramfs/boot.sh
		hr_console=/dev/stdout; hr_prepare_handover eth1 ''" >"$T/initramfs" || fail "$(cat "$T/initramfs")"
	assert_equal "messages" "" "$(cat "$T/initramfs")"
	[ "$own" != "$T/dynamic/busybox" ] || assert "its libraries" test -e $tools/libzstd.so.1
	mount --rbind /run "$T/bare/run"
	unit=/run/systemd/system/hydroot-lease@.service
	assert_contains "its unit" '^ExecStart=.*busybox udhcpc -f -i %i ' $unit
	# shellcheck disable=SC2046 # a list of words
	export $(sed -n 's/^Environment=//p' $unit; cat $tools/eth1.env)
	assert_equal "the address it asks for" "${address%/*}" "$IPV4ADDR"
	eval "chroot $T/bare $(sed -n 's/^ExecStart=//p' $unit | sed 's/%i/eth1/g') >$T/lease.log 2>&1 &"
	defer end_process $!
	evidence+=("$T/lease.log")
	wait_for 20 "a lease" grep -q "lease of ${address%/*} obtained" "$T/lease.log"
	assert_equal "address with the client" "$address" "$(addresses)"
	expect_exit 0 env ip=10.0.0.9 chroot "$T/bare" $tools/lease renew
	assert_contains "another address" "^DHCP gives 10.0.0.9 now: ${address%/*} stays" "$T/out"
	end_process $!
	umount -l "$T/bare/run"
	unset LD_LIBRARY_PATH
done
