#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# There is only IPv6, by router advertisements: while the root comes over it, systemd-networkd and ifupdown of the root
# leave the interface as it is, also when they are restarted; when the root is resident they configure it as they like.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/network.sh
. "$TOP/tests/network.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
[ -e /proc/sys/net/ipv6/conf/lo ] || skip "this machine has no IPv6"
tests/image.sh services
# shellcheck disable=SC2034 # read by start_nginx, start_guest and boot
{
	NGINX_LISTEN='[::1]'
	GUEST_NET=(-netdev "user,id=n0,ipv4=off,ipv6-net=fd00:5::/64,ipv6-host=fd00:5::2"
		-device "virtio-net-pci,netdev=n0,romfile=")
	network_host='[fd00:5::2]' network_family=-6
}

note "systemd-networkd"
boot systemd.mask=NetworkManager.service systemd.mask=networking.service systemd.wants=systemd-networkd.service
guest g 60 'printf "[Match]\nName=eth0\n[Network]\nAddress=fd00:5::78/64\n" >/etc/systemd/network/95-own.network'
untouched "the start of systemd-networkd"
fills_slowly
guest g 60 'systemctl restart systemd-networkd' || fail "systemd-networkd does not restart"
untouched "a restart of systemd-networkd"
becomes_resident
wait_for 90 "systemd-networkd to configure eth0" has_address fd00:5::78/64
note "systemd-networkd has eth0: $(addresses | xargs)"
end_boot none

note "ifupdown"
boot ip=auto6 systemd.mask=NetworkManager.service
guest g 60 'printf "auto eth0\niface eth0 inet6 static\n  address fd00:5::77/64\n  gateway fe80::2\n" >/etc/network/interfaces.d/eth0'
untouched "the start of the system"
fills_slowly
guest g 60 'systemctl restart networking' || fail "a skipped start of networking fails"
untouched "a restart of networking"
becomes_resident
wait_for 90 "ifupdown to configure eth0" has_address fd00:5::77/64
wait_for 30 "networking.service" is_active networking
note "ifupdown has eth0: $(addresses | xargs)"
end_boot none
