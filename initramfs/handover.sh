# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # hr_* are set in lib.sh, hydroot_* by hydrootd --print-config
#
# handover.sh - between switch_root and residence: nobody may touch the boot's network meanwhile
#
# Sourced after lib.sh and transport.sh.  All is done by files in /run that the root's own programs read, and all of
# them are removed by one unit of the root's own systemd, when the daemon has left the file
# /run/hydroot/root/resident.  A root without systemd gets the files, but nobody to remove them.

hr_run=${hr_run:-/run}			# for tests
hr_units=$hr_run/systemd/system

# Post the status, best effort, in the background.  By curl where the initramfs has it, else by nc, which
# speaks http only: busybox's wget of Debian 12 crashes when it posts.
hr_report()
{
	[ -n "${hydroot_report:-}" ] || return 0
	hr_text=$(hydroot status root --json 2>/dev/null) || hr_text='{"schema":1}'
	printf '%s\n' "$hr_text" >"$hr_run/hydroot/.report-$1"
	hr_post "$(hr_report_url "$1")" "$hr_run/hydroot/.report-$1" >/dev/null 2>&1 </dev/null &
}

# hr_post URL FILE
hr_post()
{
	if command -v curl >/dev/null; then
		curl -fsS -m 10 -o /dev/null --data-binary "@$2" "$1"
		return
	fi
	case $1 in
	http://*) ;;
	*) return 1 ;;
	esac
	hr_rest=${1#http://}
	hr_host=${hr_rest%%/*}
	hr_port=80
	case $hr_host in
	*\]:* | [!\[]*:*) hr_port=${hr_host##*:} hr_host=${hr_host%:*} ;;
	esac
	hr_host=${hr_host#\[}
	hr_host=${hr_host%\]}
	{
		printf 'POST /%s HTTP/1.0\r\nHost: %s\r\n' "${hr_rest#*/}" "${hr_rest%%/*}"
		printf 'Content-Type: application/json\r\nContent-Length: %s\r\n\r\n' \
			"$(wc -c <"$2")"
		cat "$2"
		sleep 2 # for the answer: some servers drop a request whose sender has gone
	} | timeout 10 nc -w 5 "$(hr_resolve "$hr_host")" "$hr_port"
}

hr_report_url()
{
	case $hydroot_report in
	*\?*) echo "$hydroot_report&event=$1" ;;
	*) echo "$hydroot_report?event=$1" ;;
	esac
}

# What the root finds: interfaces (names, separated by blanks) that are to be left alone, and the units.
hr_prepare_handover()
{
	for hr_if in $1; do
		hr_keep_networkd "$hr_if"
		hr_keep_network_manager "$hr_if"
	done
	hr_keep_ifupdown
	hr_keep_awake
	hr_write_units
	hr_write_release
}

hr_address_of()
{
	cat "${hr_sys:-/sys}/class/net/$1/address" 2>/dev/null
}

# By address: a name may be changed by udev.  Only an address of Ethernet is short enough to last.
hr_match_of()
{
	hr_mac=$(hr_address_of "$1")
	case $hr_mac in
	??:??:??:??:??:??) echo "MACAddress=$hr_mac" ;;
	*) echo "Name=$1" ;;
	esac
}

hr_keep_networkd()
{
	mkdir -p "$hr_run/systemd/network"
	printf '[Match]\n%s\n\n[Link]\nUnmanaged=yes\n' "$(hr_match_of "$1")" \
		>"$hr_run/systemd/network/00-hydroot-$1.network"
	printf '[Match]\n%s\n\n[Link]\nNamePolicy=keep\nMACAddressPolicy=none\n' \
		"$(hr_match_of "$1")" >"$hr_run/systemd/network/00-hydroot-$1.link"
}

hr_keep_network_manager()
{
	mkdir -p "$hr_run/NetworkManager/conf.d"
	printf '[device-hydroot-%s]\nmatch-device=interface-name:%s\nmanaged=0\n' "$1" "$1" \
		>"$hr_run/NetworkManager/conf.d/00-hydroot-$1.conf"
}

# hr_drop_in UNIT LINE...: becomes a [Unit] section that goes with the rest
hr_drop_in()
{
	hr_file=$hr_units/$1.d/00-hydroot.conf
	mkdir -p "$hr_units/$1.d"
	shift
	printf '%s\n' '[Unit]' "$@" >"$hr_file"
}

# ifupdown knows no file that would keep it from one interface: it starts when the root is resident.
hr_keep_ifupdown()
{
	for hr_unit in networking.service ifup@.service; do
		hr_drop_in "$hr_unit" "ConditionPathExists=/run/hydroot/root/resident"
	done
}

# The network does not come back with its addresses.
hr_keep_awake()
{
	for hr_unit in systemd-suspend systemd-hibernate systemd-hybrid-sleep \
		systemd-suspend-then-hibernate; do
		hr_unit=$hr_unit.service
		hr_drop_in "$hr_unit" "# The root still comes over the network, which sleep would end." \
			"AssertPathExists=/run/hydroot/root/resident"
	done
}

hr_write_units()
{
	mkdir -p "$hr_units/paths.target.wants"
	cat >"$hr_units/hydroot-resident.target" <<-END
		[Unit]
		Description=The root is in memory, its server is not needed any more
		Wants=hydroot-release.service
		After=hydroot-release.service
	END
	cat >"$hr_units/hydroot-resident.path" <<-END
		[Unit]
		Description=Wait for the root to be in memory

		[Path]
		PathExists=/run/hydroot/root/resident
		Unit=hydroot-resident.target
	END
	cat >"$hr_units/hydroot-release.service" <<-END
		[Unit]
		Description=Give the boot interface to the system's own network configuration

		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/sh /run/hydroot/.release
		TimeoutStartSec=2min
	END
	ln -sf ../hydroot-resident.path "$hr_units/paths.target.wants/hydroot-resident.path"
}

# The script of that unit, run by the root's sh: everything above goes, and who reads it is told.
hr_write_release()
{
	mkdir -p "$hr_run/hydroot"
	{
		echo "report_url='$(if [ -n "${hydroot_report:-}" ]; then hr_report_url resident; fi)'"
		cat <<-'END'
			status=/run/hydroot/root/status.json
			rm -f /run/systemd/network/00-hydroot-*.network \
				/run/systemd/network/00-hydroot-*.link \
				/run/NetworkManager/conf.d/00-hydroot-*.conf \
				/run/systemd/system/*.d/00-hydroot.conf
			systemctl daemon-reload
			if systemctl -q is-active systemd-networkd; then networkctl reload; fi
			if systemctl -q is-active NetworkManager; then nmcli general reload; fi
			if systemctl -q is-enabled networking 2>/dev/null; then
				systemctl --no-block start networking
			fi
			[ -n "$report_url" ] || exit 0
			if command -v curl >/dev/null; then
				curl -fsS -m 10 -o /dev/null --data-binary @$status "$report_url"
			elif command -v wget >/dev/null; then
				wget -q -T 10 -O /dev/null --post-file=$status "$report_url"
			else
				echo "report=: neither curl nor wget is in the root"
			fi
			exit 0
		END
	} >"$hr_run/hydroot/.release"
}
