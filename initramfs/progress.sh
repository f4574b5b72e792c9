# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # hr_* are set in lib.sh
#
# progress.sh - how far the fill is: on the console while nothing else can be seen, and by plymouth
#
# Sourced after lib.sh, in the initramfs by boot.sh and in the root by hydroot-progress.service.
# hydrootd itself says every tenth in the kernel's log.

hr_status_file=${hr_status_file:-/run/hydroot/root/status.json}
hr_resident=${hr_resident:-/run/hydroot/root/resident}
hr_booted=${hr_booted:-/run/hydroot/root/booted}

# hr_number STATUS OBJECT KEY: a number of an object in the status, or nothing
hr_number()
{
	hr_rest=${1#*\""$2"\":}
	hr_rest=${hr_rest#*\""$3"\":}
	hr_rest=${hr_rest# }
	echo "${hr_rest%%[!0-9]*}"
}

# "37% of 512 MiB, 45 MiB/s, 8 s left"; 1 when nothing is being filled.  Keeps what was there the
# last time, and when.
hr_progress()
{
	case $1 in
	*'"state":"filling"'* | *'"state": "filling"'* | *'"state":"attaching"'* | \
		*'"state": "attaching"'*) ;;
	*) return 1 ;;
	esac
	hr_bytes=$(hr_number "$1" image bytes)
	hr_have=$(hr_number "$1" resident bytes)
	[ "${hr_bytes:-0}" -gt 0 ] && [ "${hr_have:-0}" -gt 0 ] || return 1
	read -r hr_now _ </proc/uptime
	hr_now=${hr_now%.*}
	hr_line="$((hr_have * 100 / hr_bytes))% of $((hr_bytes / 1048576)) MiB"
	if [ -n "${hr_then:-}" ] && [ "$hr_now" -gt "$hr_then" ]; then
		hr_rate=$(((hr_have - hr_had) / (hr_now - hr_then) / 1024))
		if [ "$hr_rate" -ge 10240 ]; then
			hr_line="$hr_line, $((hr_rate / 1024)) MiB/s"
		elif [ "$hr_rate" -ge 0 ]; then
			hr_line="$hr_line, $hr_rate KiB/s"
		fi
	fi
	hr_then=$hr_now hr_had=$hr_have
	hr_left=${1#*\"eta_seconds\":}
	hr_left=${hr_left# }
	hr_left=${hr_left%%[!0-9]*}
	[ -z "$hr_left" ] || hr_line="$hr_line, $hr_left s left"
}

hr_plymouth()
{
	if command -v plymouth >/dev/null && plymouth --ping 2>/dev/null; then
		plymouth "$@" 2>/dev/null
	fi
}

# Until killed, while the initramfs waits for the device: mode full copies all of the image then.
hr_watch_attach()
{
	while sleep 5; do
		hr_progress "$(hydroot status root --json 2>/dev/null)" || continue
		hr_say "fill: $hr_line"
		hr_plymouth display-message --text="hydroot: $hr_line"
	done
}

# In the root, until it is resident.  The console is left alone once the boot is complete: somebody
# may be working there.  And hydrootd is told, which then ends the trace, and begins the fill with fill=boot.
hr_watch_root()
{
	hr_turn=0
	while [ ! -e "$hr_resident" ] && sleep 2; do
		hr_turn=$((hr_turn + 1))
		[ $((hr_turn % 5)) = 0 ] || continue
		[ -e "$hr_booted" ] || hr_is_booting || : >"$hr_booted"
		{ read -r hr_text <"$hr_status_file"; } 2>/dev/null || :
		hr_progress "$hr_text" || continue
		hr_plymouth display-message --text="hydroot: $hr_line"
		if [ -z "${hr_quiet:-}" ] && [ ! -e "$hr_booted" ]; then
			hr_print "fill: $hr_line"
		fi
	done
	hr_plymouth hide-message --text="hydroot: ${hr_line:-}"
}

hr_is_booting()
{
	case $(systemctl is-system-running 2>/dev/null) in
	initializing | starting) return 0 ;;
	*) return 1 ;;
	esac
}
