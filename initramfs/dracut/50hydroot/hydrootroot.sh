#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # dracut's own paths
#
# hydrootroot.sh - netroot handler, /sbin/hydrootroot INTERFACE NETROOT NEWROOT
#
# Called for each interface that comes up; of several the first that reaches a server is used.

NEWROOT=${3:-/sysroot}
export NEWROOT
. /usr/lib/hydroot/dracut.sh
# shellcheck disable=SC2034 # read in hydroot-lib.sh
hydroot_netif=${1:-}
hydroot_try
