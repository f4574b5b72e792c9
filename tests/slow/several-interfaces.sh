#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# Two interfaces, each with DHCP and a gateway, and a server that is behind the gateway of the second only: the
# distributions' initramfs systems take that one, say so, and the root runs over it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap unshare ip
tests/image.sh all
builders=(dracut initramfs-tools dracut-shell)
for builder in "${builders[@]}"; do
	variant=
	[ "$builder" != dracut-shell ] || variant=shell
	tests/distro.sh bookworm "${builder%-shell}" $variant >/dev/null
done

# In a network of its own, because the server's address must be neither the loopback interface's nor a gateway's.
if [ -z "${HYDROOT_INSIDE-}" ]; then
	HYDROOT_INSIDE=1 timeout 880 unshare --net "$0"
	exit
fi
ip link set lo up
ip address add 198.51.100.1/32 dev lo
NGINX_LISTEN=198.51.100.1 start_nginx web "$IMAGES/served/good"
url=http://198.51.100.1:${nginx_port[web]}/debian.hri

# The first one's network is behind a wall; its DHCP server is not.
card=virtio-net-pci,romfile=
# shellcheck disable=SC2034 # read by start_guest
GUEST_NET=(-netdev "user,id=n0,restrict=on" -device "$card,netdev=n0"
	-netdev "user,id=n1,net=10.0.3.0/24,host=10.0.3.2" -device "$card,netdev=n1")

for builder in "${builders[@]}"; do
	start_guest "$builder" "$IMAGES/bookworm-$builder/initrd.img" "rw rd.hydroot.fill=manual root=hydroot:$url"
	wait_console "$builder" "$GUEST_BOOT_SECONDS" 'hydroot: network: eth1: '
	wait_console "$builder" 60 'hydroot: root: /dev/hydroot/root is mounted'
	wait_login "$builder"
	wait_agent "$builder"
	assert_contains "$builder: the way to the server" '^198\.51\.100\.1 via 10\.0\.3\.2 dev eth1 ' \
		<(guest "$builder" 60 'ip route get 198.51.100.1')
	assert_equal "$builder: what the root is to keep" 00-hydroot-eth1.network \
		"$(guest "$builder" 60 'cd /run/systemd/network && ls 00-*.network')"
	note "$builder: $(tr -d '\r' <"$T/$builder.console" | grep -aoE 'hydroot: network: .*' | xargs -d '\n' | cut -c1-200)"
	stop_guest "$builder"
done
