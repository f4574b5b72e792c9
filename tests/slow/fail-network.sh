#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# Networks that do not do what they should: nobody answers DHCP, and the boot says so and ends, with the distributions'
# initramfs systems, too; of two interfaces the first gets an address but reaches no server, and the second is taken; there
# is only IPv6, for which dracut has means of its own.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq cpio hydrootd mmdebstrap
tests/image.sh all
for builder in dracut initramfs-tools; do
	tests/distro.sh bookworm "$builder" >/dev/null
done
start_nginx web "$IMAGES/served/good"

# Three minutes of patience are too many for a test.
mkdir -p "$T/tree/usr/lib/hydroot/hooks"
echo 'net_timeout=15' >"$T/tree/usr/lib/hydroot/hooks/50-patience"
initramfs_with "$T/standalone.img" "$T/tree"
initramfs_with "$T/initramfs-tools.img" "$T/tree" "$IMAGES/bookworm-initramfs-tools/initrd.img"
# Its own patience is rd.retry.
ln -s "$IMAGES/bookworm-dracut/initrd.img" "$T/dracut.img"
declare -A no_answer=([standalone]='network: eth0: no address \(dhcp\) within 15 s'
	[dracut]='network: no interface got an address: cable, DHCP server, driver\?')
no_answer[initramfs-tools]=${no_answer[standalone]}
card=virtio-net-pci,romfile=
GUEST_NET=(-netdev "hubport,id=n0,hubid=0" -device "$card,netdev=n0")
for builder in standalone dracut initramfs-tools; do
	start_guest "$builder" "$T/$builder.img" "rw ip=dhcp rd.retry=30 rd.hydroot.onfail=poweroff \
		root=hydroot:http://$GUEST_HOST/debian.hri"
	[ "$builder" = dracut ] ||
		wait_console "$builder" "$GUEST_BOOT_SECONDS" 'hydroot: network: eth0: no answer yet \(dhcp\)'
	boot_fails "$builder" "$GUEST_BOOT_SECONDS" "${no_answer[$builder]}"
done

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

start_guest six-dracut "$T/dracut.img" "rw root=hydroot:http://[fd00:5::2]:${nginx_port[six]}/debian.hri"
wait_console six-dracut "$GUEST_BOOT_SECONDS" 'hydroot: root: /dev/hydroot/root is mounted'
stop_guest six-dracut
note "IPv6 only, with dracut"
