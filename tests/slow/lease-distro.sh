#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# In a root without systemd-networkd the DHCP lease of the distributions' initramfs systems is renewed until the root is
# resident, by the busybox that their initramfs has, which needs nothing of the root.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap
tests/image.sh all
start_nginx web "$IMAGES/served/good"
read -r -a builders <<<"${BUILDERS-dracut initramfs-tools}"
for builder in "${builders[@]}"; do
	tests/distro.sh bookworm "$builder" >/dev/null
	start_guest g "$IMAGES/bookworm-$builder/initrd.img" "rw ip=dhcp rd.hydroot.fill=manual \
		root=hydroot:http://$GUEST_HOST:${nginx_port[web]}/debian.hri"
	wait_login g
	wait_agent g
	is_renewed() { guest g 60 'journalctl -b --no-pager -o cat -u "hydroot-lease@*"' | grep -q 'lease of 10.0.2.15 obtained'; }
	wait_for 60 "a lease of the DHCP client in the root" is_renewed
	assert_equal "$builder: the lease's end" forever \
		"$(guest g 60 'ip -o -4 addr show scope global' | sed -n 's/.* valid_lft \([^ ]*\) .*/\1/p')"
	note "$builder: $(guest g 60 'ls /run/hydroot/.tools' | xargs)"
	stop_guest g
done
