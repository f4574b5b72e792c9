#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# release.sh - the root is resident: its own network configuration gets the boot's interface back
#
# Run in the root by hydroot-release.service, from /run/hydroot/.scripts, where handover.sh put it.
# Takes away what handover.sh wrote, tells those who read it, and posts the last report.

# shellcheck disable=SC1091 # copies beside this script
# shellcheck disable=SC2034 # hr_text, hr_error are lib.sh's
hr_run=${hr_run:-/run}
scripts=$hr_run/hydroot/.scripts
. "$scripts/settings"
. "$scripts/lib.sh"
. "$scripts/report.sh"

# networkd takes the address from an interface that no file of it matches any more: where nobody else cares
# for the interface, ours stays, behind all others.
if systemctl -q is-active systemd-networkd && ! systemctl -q is-active NetworkManager &&
	! systemctl -q is-enabled networking 2>/dev/null; then
	for file in "$hr_run"/systemd/network/00-hydroot-*.network; do
		[ ! -e "$file" ] || mv "$file" "${file%/*}/zz-${file##*/00-}"
	done
fi
rm -f "$hr_run"/systemd/network/00-hydroot-*.network "$hr_run"/systemd/network/00-hydroot-*.link \
	"$hr_run"/NetworkManager/conf.d/00-hydroot-*.conf \
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
	systemctl --no-block start networking
fi
if [ -n "${hydroot_report:-}" ]; then
	hr_text=$(cat "$hr_run/hydroot/root/status.json")
	hr_post "$(hr_report_url resident)" "$hr_text" >/dev/null ||
		echo "report=: cannot be posted: https needs curl or wget in the root"
fi
umount "$hr_run/hydroot/.tools" 2>/dev/null
exit 0
