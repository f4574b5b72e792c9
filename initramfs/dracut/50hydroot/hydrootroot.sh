#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # dracut's own paths
#
# hydrootroot.sh - netroot handler, /sbin/hydrootroot INTERFACE NETROOT NEWROOT
#
# Called for each interface that comes up; the first one that gets here is used.

NEWROOT=${3:-/sysroot}
export NEWROOT
. /lib/hydroot/dracut.sh
hydroot_try
