#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # dracut's own paths
#
# hydroot-pivot.sh - pre-pivot hook: what the root needs to know of this boot
#
# The profile for all interfaces and the rule of udev were for this initramfs only; so were the profiles that
# systemd-network-generator made of ip=, which would outdo those of the root when it gets the interface back.

if [ -e /run/hydroot/.mounted ]; then
	(
		. /lib/hydroot/dracut.sh
		hr_is_ours
		hydroot_take_way
		hr_leave "${NEWROOT:-/sysroot}"
	)
	rm -f /run/systemd/network/90-hydroot.network /run/udev/rules.d/61-hydroot-infiniband.rules
	for file in /run/systemd/network/00-hydroot-*.network; do
		[ ! -e "$file" ] ||
			rm -f /run/systemd/network/70-*.network /run/systemd/network/71-default.network
	done
fi
