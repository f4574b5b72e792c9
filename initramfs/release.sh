#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# release.sh - the root is resident: its own network configuration gets the boot's interface back
#
# Run in the root by hydroot-release.service, from /run/hydroot/.scripts, where handover.sh put it.
# Takes away what handover.sh wrote, and tells those who read it.

# shellcheck disable=SC1091 # copies beside this script
hr_run=${hr_run:-/run}
scripts=$hr_run/hydroot/.scripts
[ -e "$scripts/settings" ] || exit 0 # done already
. "$scripts/settings"

kept= # the interfaces
for file in "$hr_run"/systemd/network/00-hydroot-*.network; do
	[ -e "$file" ] || continue
	file=${file##*/00-hydroot-}
	kept="$kept ${file%.network}"
done

# ifupdown gives up where an address or a default route is there already.  Only what ifupdown knows, and not what comes
# by router advertisements.
clear_for_ifupdown()
{
	for interface in $kept; do
		ifquery "$interface" >/dev/null 2>&1 || continue
		ip -4 addr flush dev "$interface" scope global
		ip -4 route flush default dev "$interface"
		ip -6 addr flush dev "$interface" scope global permanent
		ip -6 route show default dev "$interface" | grep -v 'proto ra' | while read -r route; do
			# shellcheck disable=SC2086 # a list of words
			ip -6 route del $route dev "$interface"
		done
	done 2>/dev/null
}

# hydrootd posts that the root is resident, over the network that is given back here.  It gives up after 12 s; where it was
# killed nobody does it.
if [ -n "${hr_reports:-}" ]; then
	seconds=0
	until [ -e "$hr_run/hydroot/root/reported" ] || [ "$seconds" = 15 ]; do
		sleep 1
		seconds=$((seconds + 1))
	done
fi

# networkd takes the address from an interface that no file of it matches any more: where nobody else cares
# for the interface, ours stays, behind all others.
if systemctl -q is-active systemd-networkd && ! systemctl -q is-active NetworkManager &&
	! systemctl -q is-enabled networking 2>/dev/null; then
	for file in "$hr_run"/systemd/network/00-hydroot-*.network; do
		[ ! -e "$file" ] || mv "$file" "${file%/*}/zz-${file##*/00-}"
	done
fi
rm -f "$hr_run"/systemd/network/00-hydroot-*.network "$hr_run"/systemd/network/00-hydroot-*.link \
	"$hr_run"/NetworkManager/conf.d/00-hydroot-*.conf "$hr_run"/NetworkManager/conf.d/zz-hydroot-*.conf \
	"$hr_run"/systemd/system/*.d/00-hydroot.conf
systemctl stop 'hydroot-lease@*.service' hydroot-watchdogs.service 2>/dev/null
systemctl daemon-reload
if systemctl -q is-active systemd-networkd; then
	networkctl reload
fi
if systemctl -q is-active NetworkManager; then
	nmcli general reload
fi
if systemctl -q is-enabled networking 2>/dev/null; then
	# ifupdown asks for it before it brings up interfaces of allow-hotplug.
	mkdir -p "$hr_run/network"
	true >"$hr_run/network/restart-hotplug"
	clear_for_ifupdown
	systemctl --no-block start networking
fi
umount "$hr_run/hydroot/.tools" 2>/dev/null
rm -f "$scripts/settings"
exit 0
