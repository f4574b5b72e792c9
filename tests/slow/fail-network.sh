#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Networks that do not do what they should: nobody answers DHCP, and the boot says so and ends; of two interfaces the
# first gets an address but reaches no server, and the second is taken; there is only IPv6.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq cpio hydrootd
tests/image.sh all
start_nginx web "$IMAGES/served/good"

# Three minutes of patience are too many for a test.
mkdir -p "$T/tree/usr/lib/hydroot/hooks"
echo 'net_timeout=15' >"$T/tree/usr/lib/hydroot/hooks/50-patience"
initramfs_with "$T/impatient.img" "$T/tree"
card=virtio-net-pci,romfile=
GUEST_NET=(-netdev "hubport,id=n0,hubid=0" -device "$card,netdev=n0")
start_guest silent "$T/impatient.img" "rw ip=dhcp rd.hydroot.onfail=poweroff root=hydroot:http://10.0.2.2/debian.hri"
wait_console silent "$GUEST_BOOT_SECONDS" 'hydroot: network: eth0: no answer yet \(dhcp\)'
wait_console silent 60 'hydroot: failed: network: eth0: no address \(dhcp\) within 15 s'
wait_console silent 10 'hydroot: onfail=poweroff'
wait_guest_end silent 60
note "nobody answers DHCP"

# The first one's network is behind a wall; its DHCP server is not.
GUEST_NET=(-netdev "user,id=n0,restrict=on" -device "$card,netdev=n0"
	-netdev "user,id=n1,net=10.0.3.0/24,host=10.0.3.2" -device "$card,netdev=n1")
start_guest two "$IMAGES/boot/initramfs.img" "rw ip=dhcp root=hydroot:http://10.0.3.2:${nginx_port[web]}/debian.hri"
wait_console two "$GUEST_BOOT_SECONDS" 'hydroot: network: eth0: no server answers there'
wait_console two 60 'hydroot: network: eth1: 10\.0\.3\.15'
wait_console two 60 'hydroot: root: /dev/hydroot/root is mounted'
stop_guest two
note "the second of two interfaces"

[ -e /proc/sys/net/ipv6/conf/lo ] || { note "this machine has no IPv6: that part is left out"; exit 0; }
NGINX_LISTEN='[::1]' start_nginx six "$IMAGES/served/good"
GUEST_NET=(-netdev "user,id=n0,ipv4=off,ipv6-net=fd00:5::/64,ipv6-host=fd00:5::2" -device "$card,netdev=n0")
start_guest six "$IMAGES/boot/initramfs.img" "rw root=hydroot:http://[fd00:5::2]:${nginx_port[six]}/debian.hri"
wait_console six "$GUEST_BOOT_SECONDS" 'hydroot: network: eth0: fd00:5:'
wait_console six 60 'hydroot: root: /dev/hydroot/root is mounted'
stop_guest six
note "IPv6 only"
