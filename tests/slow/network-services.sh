#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
# While the root comes over the network, the root's own network service leaves the boot interface as it is, also when it is
# restarted; when the root is resident it configures that interface as it likes, in a bond and by another name, too.
# NetworkManager, ifupdown and systemd-networkd, each in a boot of its own.  Meanwhile sleep is refused, what waits for
# hydroot-resident.target waits, and plymouth is told how far the fill is.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/network.sh
. "$TOP/tests/network.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh services

note "NetworkManager"
boot ip=dhcp systemd.mask=networking.service
network_manager_waits
guest g 60 'systemctl suspend' || true
refused() { guest g 60 'journalctl -b --no-pager -o cat -u systemd-suspend' | grep -q 'sleep is refused: the root still comes'; }
wait_for 60 "the reason why sleep is refused" refused
assert_equal "systemd-suspend.service" failed "$(state systemd-suspend.service)"
untouched "a refused suspend"
# A splash without a screen, and once more after the boot: what it is told is in its own log.
guest g 60 'plymouthd --mode=boot --debug --debug-file=/run/plymouth.log >/run/plymouthd.out 2>&1' || fail "plymouth does not start"
# It is told every ten seconds: the fill has to last for longer.  What it was told it writes when it quits.
guest_hydroot g 60 'set root rate=1M'
guest_hydroot g 60 'resume root' || fail "the fill does not start"
sleep 30
guest g 60 'plymouth quit' || fail "plymouth does not quit"
is_written() { guest g 60 'cat /run/plymouth.log' >"$T/plymouth"; }
wait_for 30 "the log of plymouth" is_written
assert_contains "what plymouth was told" 'hydroot: [0-9]+% of 2048 MiB' "$T/plymouth"
note "plymouth is told of the fill"
becomes_resident
network_manager_manages
end_boot systemd-suspend

note "ifupdown"
boot ip=dhcp systemd.mask=NetworkManager.service
guest g 60 'printf "auto eth0\niface eth0 inet static\n  address 10.0.2.77/24\n  gateway 10.0.2.2\n" >/etc/network/interfaces.d/eth0'
untouched "the start of the system"
guest g 60 'systemctl restart networking' || fail "a skipped start of networking fails"
untouched "a restart of networking"
becomes_resident
wait_for 90 "ifupdown to configure eth0" has_address 10.0.2.77/24
wait_for 30 "networking.service" is_active networking
says 'ip -4 route' >"$T/routes"
assert_contains "the default route" '^default via 10\.0\.2\.2 ' "$T/routes"
note "ifupdown has eth0: $(addresses | xargs)"
end_boot none

# Its configuration is there before the system starts, as in an image that was made for it.
note "ifupdown, resident from the start"
mkdir -p "$T/static/usr/lib/hydroot/hooks"
cat >"$T/static/usr/lib/hydroot/hooks/static" <<'END'
[ "$stage" != pre-switch ] || printf 'auto eth0\niface eth0 inet static\n  address 10.0.2.77/24\n  gateway 10.0.2.2\n' \
	>"$root/etc/network/interfaces.d/eth0"
END
initramfs_with "$T/static.img" "$T/static"
start_nginx web "$IMAGES/services"
start_guest g "$T/static.img" "rw rd.hydroot.mode=full ip=dhcp systemd.mask=NetworkManager.service \
	root=hydroot:http://$GUEST_HOST:${nginx_port[web]}/debian.hri"
wait_login g
wait_agent g
wait_for 90 "networking.service" is_active networking
assert_equal "addresses" 10.0.2.77/24 "$(addresses)"
says 'ip -4 route' >"$T/routes"
assert_contains "the default route" '^default via 10\.0\.2\.2 ' "$T/routes"
assert_equal "files that keep the interface" '' "$(kept_files)"
end_boot none

note "systemd-networkd"
# Without --settle, which would wait for an event of a device that has another name by then.
rename_eth0() { guest g 60 'udevadm trigger --action=add /sys/class/net/eth0; udevadm settle --timeout=50'; }
# Its own generator must not make a profile of ip= that outdoes what the root has for eth0.
boot ip=dhcp systemd.mask=NetworkManager.service systemd.mask=networking.service systemd.wants=systemd-networkd.service \
	systemd.wants=systemd-network-generator.service
guest g 60 'modprobe bonding max_bonds=0
	cd /etc/systemd/network
	printf "[Match]\nOriginalName=eth0\n[Link]\nName=lan0\n" >10-lan.link
	printf "[NetDev]\nName=bond0\nKind=bond\n[Bond]\nMode=active-backup\n" >10-bond.netdev
	printf "[Match]\nName=eth0 lan0\n[Network]\nBond=bond0\n" >95-port.network
	printf "[Match]\nName=bond0\n[Network]\nAddress=10.0.2.78/24\nGateway=10.0.2.2\n" >95-bond.network' ||
	fail "no bond can be made in the guest"
wait_for 60 "systemd-network-generator" is_active systemd-network-generator
assert_equal "profiles of ip=" '' "$(says 'grep -ls systemd-network-generator /run/systemd/network/*')"
untouched "the start of systemd-networkd"
guest g 60 'systemctl restart systemd-networkd' || fail "systemd-networkd does not restart"
untouched "a restart of systemd-networkd"
rename_eth0
untouched "udev with another name for it"
becomes_resident
in_bond() { says 'ip -4 -o address show dev bond0; cat /sys/class/net/bond0/bonding/slaves' | xargs | grep -q " inet 10\.0\.2\.78/24 .* $1\$"; }
wait_for 90 "systemd-networkd to take eth0 into a bond" in_bond eth0
assert_equal "addresses of eth0" '' "$(addresses)"
# A port is down when it gets another name.
guest g 60 'systemctl stop systemd-networkd.socket systemd-networkd; ip link set eth0 down'
rename_eth0
guest g 60 'systemctl start systemd-networkd'
wait_for 90 "the other name" in_bond lan0
note "systemd-networkd has it in a bond, by another name: $(says 'ip -4 -o address show dev bond0' | xargs)"
end_boot none
