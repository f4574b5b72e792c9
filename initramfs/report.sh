# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # hr_* are set in lib.sh, hydroot_* by hydrootd --print-config
#
# report.sh - report=URL: the status is posted at milestones, as well as it goes
#
# Sourced after lib.sh, in the initramfs by boot.sh and in the root by release.sh.  In the root
# hr_busybox is a busybox that needs nothing of the root, where the initramfs had one.

hr_unposted=${hr_unposted:-/run/hydroot/.unposted} # that nothing here posts has been said

# hr_report EVENT [SECONDS]: post in the background, and wait so long at most.  Everything is read
# before: at the switch the files of the initramfs go away.
hr_report()
{
	[ -n "${hydroot_report:-}" ] || return 0
	if ! hr_find_poster "$hydroot_report"; then
		[ -e "$hr_unposted" ] || hr_warn "report=: cannot be posted: $hr_lacks in the initramfs"
		{ true >"$hr_unposted"; } 2>/dev/null || :
		return 0
	fi
	hr_text=$(hydroot status root --json 2>/dev/null) || hr_text='{"schema":1}'
	hr_post "$(hr_report_url "$1")" "$hr_text" >/dev/null 2>&1 </dev/null &
	hr_wait_for "$!" "${2:-0}"
}

# Until the process PID has ended, for SECONDS at most.
hr_wait_for()
{
	hr_tenths=$(($2 * 10))
	while [ "$hr_tenths" -gt 0 ] && kill -0 "$1" 2>/dev/null; do
		sleep 0.1
		hr_tenths=$((hr_tenths - 1))
	done
}

hr_report_url()
{
	case $hydroot_report in
	*\?*) echo "$hydroot_report&event=$1" ;;
	*) echo "$hydroot_report?event=$1" ;;
	esac
}

# hr_find_poster URL: sets hr_poster to curl, wget (GNU's) or nc, which speaks http only; 1: none of them, and
# hr_lacks says what is missing.  busybox's own wget is no choice: that of Debian 12 crashes when it posts.
hr_find_poster()
{
	if command -v curl >/dev/null; then
		hr_poster=curl
	elif command -v wget >/dev/null && wget --version 2>/dev/null | grep -q 'GNU Wget'; then
		hr_poster=wget
	elif [ "${1#http://}" = "$1" ]; then
		hr_lacks="https needs curl"
		return 1
	elif command -v nc >/dev/null || [ -n "${hr_busybox:-}" ]; then
		hr_poster=nc
	else
		hr_lacks="there is neither curl nor nc"
		return 1
	fi
}

# hr_post URL TEXT
hr_post()
{
	hr_find_poster "$1" || return
	case $hr_poster in
	curl) printf '%s\n' "$2" | curl -fsS -m 10 -o /dev/null --data-binary @- "$1" ;;
	wget) wget -q -T 10 -t 1 -O /dev/null --post-data="$2" "$1" ;;
	nc) hr_post_by_nc "$@" ;;
	esac
}

hr_post_by_nc()
{
	hr_rest=${1#http://}
	hr_host=${hr_rest%%/*}
	hr_port=80
	case $hr_host in
	*\]:* | [!\[]*:*) hr_port=${hr_host##*:} hr_host=${hr_host%:*} ;;
	esac
	hr_length=$(printf '%s\n' "$2" | wc -c)
	{
		printf 'POST /%s HTTP/1.0\r\nHost: %s\r\n' "${hr_rest#*/}" "${hr_rest%%/*}"
		printf 'Content-Type: application/json\r\nContent-Length: %s\r\n\r\n%s\n' \
			"$((hr_length))" "$2"
		sleep 2 # for the answer: some servers drop a request whose sender has gone
	} | timeout 10 ${hr_busybox:+"$hr_busybox"} nc -w 5 "$(hr_resolve "$hr_host")" "$hr_port"
}
