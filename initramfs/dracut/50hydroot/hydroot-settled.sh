#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # dracut's own paths
#
# hydroot-settled.sh - initqueue/settled hook: mounts the root as soon as an address is there
#
# Not every network module of dracut calls netroot (that of systemd-networkd does not), and an image
# on a local disk needs no network at all.

if [ ! -e /run/hydroot/.mounted ]; then
	(
		. /lib/hydroot/dracut.sh
		hr_is_ours || exit 0
		if hr_wants_network; then
			hr_has_address >/dev/null || exit 0
		fi
		hydroot_mount
	)
fi
