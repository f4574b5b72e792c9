#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
# An initramfs of dracut whose network is NetworkManager's, as where that is installed: without ip= and with it, to login and
# to residence, over an address that lasts.  The profile that was for the initramfs is gone in the root, whose own
# NetworkManager has the interface when the root is resident.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/network.sh
. "$TOP/tests/network.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap
tests/image.sh services
tests/distro.sh bookworm dracut network-manager >/dev/null
network_initrd=$IMAGES/bookworm-dracut-network-manager/initrd.img
lasts() { assert_equal "lifetime of $address" forever "$(says 'ip -o -4 addr show dev eth0 scope global' | grep -oE 'valid_lft [a-z0-9]+' | cut -d' ' -f2)"; }

note "without ip=, and NetworkManager in the root"
boot systemd.mask=networking.service
lasts
# That of lo is made by the root's own.
assert_equal "profiles of the initramfs" '' \
	"$(says 'ls -A /run/NetworkManager/system-connections 2>/dev/null' | grep -vx lo.nmconnection)"
fills_slowly
network_manager_waits
assert_contains "name servers" '^servers=10\.0\.2\.3' <(says 'cat /run/NetworkManager/conf.d/00-hydroot-eth0.conf')
becomes_resident
network_manager_manages
end_boot none

note "with ip=, and no network service in the root"
# shellcheck disable=SC2086 # words
boot $GUEST_IP systemd.mask=NetworkManager.service systemd.mask=networking.service
lasts
untouched "the start of the system"
becomes_resident
end_boot none
