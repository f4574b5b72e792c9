#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# A server that is in a VLAN only: vlan= makes it, by DHCP and although PXE has said BOOTIF=, and the root runs over it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/bootnet.sh
. "$TOP/tests/bootnet.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd unshare ip busybox perl
[ -c /dev/net/tun ] || skip "needs /dev/net/tun"
tests/image.sh all

if [ -z "${HYDROOT_INSIDE-}" ]; then
	HYDROOT_INSIDE=1 timeout 380 unshare --net "$0"
	exit
fi
ip link set lo up
port=$(free_port)
perl tests/trunk.pl "$port" 5 web0 &
defer end_process $!
wait_for 10 "the cable" ip link show dev web0
ip addr add 10.77.5.1/24 dev web0
ip link set web0 up
dhcp_server 5 web0
NGINX_LISTEN=10.77.5.1 start_nginx web "$IMAGES/served/good"

card=virtio-net-pci,romfile=,mac=52:54:00:00:00:05
# shellcheck disable=SC2034 # read by start_guest
GUEST_NET=(-netdev "socket,id=n0,connect=127.0.0.1:$port" -device "$card,netdev=n0")
start_guest vlan "$IMAGES/boot/initramfs.img" "rw ip=dhcp vlan=vlan5:eth0 BOOTIF=01-52-54-00-00-00-05 rd.hydroot.fill=manual \
root=hydroot:http://10.77.5.1:${nginx_port[web]}/debian.hri"
wait_console vlan "$GUEST_BOOT_SECONDS" 'hydroot: network: vlan5: 10\.77\.5\.'
wait_console vlan 60 'hydroot: root: /dev/hydroot/root is mounted'
wait_login vlan
wait_agent vlan
assert_contains "the way to the server" '^10\.77\.5\.1 dev vlan5 ' <(guest vlan 60 'ip route get 10.77.5.1')
assert_equal "what the root is to keep" '00-hydroot-eth0.network 00-hydroot-vlan5.network' \
	"$(guest vlan 60 'cd /run/systemd/network && ls 00-*.network' | xargs)"
stop_guest vlan
