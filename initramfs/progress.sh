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

# Does the status say that STATE?  Who writes it may or may not put a blank there.
hr_is_state() # STATUS STATE
{
	case $1 in
	*"\"state\":\"$2\""* | *"\"state\": \"$2\""*) return 0 ;;
	*) return 1 ;;
	esac
}

# "37% of 512 MiB, 45 MiB/s, 8 s left"; 1 when nothing is being filled.  Keeps what was there the
# last time, and when.
hr_progress()
{
	hr_is_state "$1" filling || hr_is_state "$1" attaching || return 1
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

# Shutting down has to work also while the servers are away: what PID 1 reads for it, and becomes in
# the end, is read before, and again and again, since a root that streams does not keep it.  The same
# for those who are asked on the way.
hr_ready_shutdown()
{
	if [ -z "${hr_for_shutdown:-}" ]; then
		hr_for_shutdown=$(hr_list_for_shutdown 2>/dev/null | sort -u)
		hr_read_for_shutdown
		hr_kmsg "shutdown: it needs no server from now on"
	elif [ $((hr_turn % 30)) = 0 ]; then
		hr_read_for_shutdown
	fi
}

# Programs with all that is mapped into them, so that no page is missing that they did not need yet.
hr_list_for_shutdown()
{
	systemctl show -p FragmentPath --value halt.target poweroff.target reboot.target kexec.target shutdown.target \
		umount.target final.target systemd-halt.service systemd-poweroff.service systemd-reboot.service \
		systemd-kexec.service
	for hr_name in systemctl umount swapoff; do
		command -v "$hr_name"
	done
	for hr_dir in /usr/lib/systemd /lib/systemd; do
		for hr_name in shutdown executor update-utmp random-seed; do
			echo "$hr_dir/systemd-$hr_name"
		done
	done
	printf '%s\n' /etc/ld.so.cache /etc/localtime /etc/nsswitch.conf /etc/passwd /usr/lib/locale/*/LC_*
	for hr_pid in 1 $(systemctl show -p MainPID --value dbus systemd-logind systemd-journald systemd-udevd); do
		sed -n 's|.* r-xp .* \(/.*\)|\1|p' "/proc/$hr_pid/maps"
	done
}

# What else the first of them reads it reads by being run.
hr_read_for_shutdown()
{
	# shellcheck disable=SC2086 # a list of files
	cat $hr_for_shutdown >/dev/null 2>&1 || :
	systemctl is-system-running >/dev/null 2>&1 || :
}

# Once: nobody gives ifupdown the network then, whether the root streams because it was told to or for
# want of memory.
hr_warn_if_streaming() # STATUS
{
	hr_is_state "$1" streaming || return 0
	if [ -z "${hr_said_streaming:-}" ] && command -v ifup >/dev/null; then
		hr_warn "state streaming: the root is never resident: ifupdown is never started (README.md)"
	fi
	hr_said_streaming=1
}

# In the root, until it is resident: at once, and each 10 s.
hr_watch_root()
{
	hr_turn=0
	while [ ! -e "$hr_resident" ]; do
		[ $((hr_turn % 5)) != 0 ] || hr_look_at_root
		hr_turn=$((hr_turn + 1))
		sleep 2 || break
	done
	hr_plymouth hide-message --text="hydroot: ${hr_line:-}"
}

# The console is left alone once the boot is complete: somebody may be working there.  And hydrootd is
# told, which then ends the trace, and begins the fill with fill=boot.
hr_look_at_root()
{
	[ -e "$hr_booted" ] || hr_is_booting || : >"$hr_booted"
	[ ! -e "$hr_booted" ] || hr_ready_shutdown
	{ read -r hr_text <"$hr_status_file"; } 2>/dev/null || :
	hr_warn_if_streaming "$hr_text"
	hr_progress "$hr_text" || return 0
	hr_plymouth display-message --text="hydroot: $hr_line"
	if [ -z "${hr_quiet:-}" ] && [ ! -e "$hr_booted" ]; then
		hr_print "fill: $hr_line"
	fi
}

hr_is_booting()
{
	case $(systemctl is-system-running 2>/dev/null) in
	initializing | starting) return 0 ;;
	*) return 1 ;;
	esac
}
