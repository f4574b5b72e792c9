#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# release.sh - the root is resident: its own network configuration gets the boot's interface back
#
# Run in the root by hydroot-release.service, from /run/hydroot/.scripts, where handover.sh put it.
# Posts the last report, takes away what handover.sh wrote, and tells those who read it.

# shellcheck disable=SC1091 # copies beside this script
hr_run=${hr_run:-/run}
scripts=$hr_run/hydroot/.scripts
[ -e "$scripts/settings" ] || exit 0 # done already
. "$scripts/settings"
. "$scripts/lib.sh"

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

report_url()
{
	case $hydroot_report in
	*\?*) echo "$hydroot_report&event=resident" ;;
	*) echo "$hydroot_report?event=resident" ;;
	esac
}

# http://USER:PASSWORD@HOST
has_password()
{
	rest=${1#*://}
	case ${rest%%[/?]*} in
	*@*) return 0 ;;
	*) return 1 ;;
	esac
}

# post URL TEXT: by what the root has; 1, with lacks, when it has nothing.  The URL may have a password: everybody can see
# the arguments of a command.  busybox's own wget is no choice: that of Debian 12 crashes when it posts.
post()
{
	if command -v curl >/dev/null; then
		printf '%s\n' "$1" | sed 's/[\\"]/\\&/g; s/.*/url = "&"/' |
			curl -fsS -m 10 -o /dev/null -K - --data-binary "$2"
	elif command -v wget >/dev/null && wget --version 2>/dev/null | grep -q 'GNU Wget'; then
		printf '%s\n' "$1" | wget -q -T 10 -t 1 -O /dev/null --post-data="$2" -i -
	elif [ "${1#http://}" = "$1" ]; then
		lacks="https needs curl or wget in the root"
		return 1
	elif has_password "$1"; then
		lacks="a password needs curl or wget in the root"
		return 1
	elif find_nc; then
		post_by_nc "$@"
	else
		lacks="there is neither curl, wget nor nc in the root"
		return 1
	fi
}

# That of the busybox of the initramfs, else of the root.
find_nc()
{
	[ -z "${hr_busybox:-}" ] || return 0
	if command -v nc >/dev/null; then
		hr_busybox=
	elif command -v busybox >/dev/null; then
		hr_busybox=busybox
	else
		return 1
	fi
}

post_by_nc()
{
	rest=${1#http://}
	host=${rest%%/*}
	port=80
	case $host in
	*\]:* | [!\[]*:*) port=${host##*:} host=${host%:*} ;;
	esac
	length=$(printf '%s\n' "$2" | wc -c)
	# shellcheck disable=SC2086 # in words
	{
		printf 'POST /%s HTTP/1.0\r\nHost: %s\r\n' "${rest#*/}" "${rest%%/*}"
		printf 'Content-Type: application/json\r\nContent-Length: %s\r\n\r\n%s\n' \
			"$((length))" "$2"
		sleep 2 # for the answer: some servers drop a request whose sender has gone
	} | timeout 10 ${hr_busybox:-} nc -w 5 "$(hr_resolve "$host")" "$port"
}

# While the network is there.
if [ -n "${hydroot_report:-}" ]; then
	post "$(report_url)" "$(cat "$hr_run/hydroot/root/status.json")" >/dev/null ||
		echo "report=: cannot be posted: ${lacks:-no server takes it}"
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
# It may have a password.
rm -f "$scripts/settings"
exit 0
