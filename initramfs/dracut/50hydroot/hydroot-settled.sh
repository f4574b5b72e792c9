#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # dracut's own paths
#
# hydroot-settled.sh - initqueue/settled hook: mounts the root as soon as an address is there
#
# Not every network module of dracut calls netroot (that of systemd-networkd does not), and an image
# on a local disk needs no network at all.  A boot of another root starts nothing here.

if [ -e /run/hydroot/.claimed ] && [ ! -e /run/hydroot/.mounted ]; then
	(
		. /usr/lib/hydroot/dracut.sh
		hydroot_try
	)
fi
