#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # dracut's own paths
#
# hydroot-timeout.sh - initqueue/timeout hook: no address after two thirds of rd.retry=
#
# Goes on without: to a fallback on a disk, or to what onfail= says.

if [ -e /run/hydroot/.claimed ] && [ ! -e /run/hydroot/.mounted ]; then
	(
		. /usr/lib/hydroot/dracut.sh
		hydroot_mount
	)
fi
