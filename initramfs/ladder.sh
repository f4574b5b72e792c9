# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # hr_* are set in lib.sh, hydroot_* by hydrootd --print-config
#
# ladder.sh - from one image to the next until there is a root: the servers, then the fallback
#
# Sourced by boot.sh.  What comes after the last rung, onfail=, is hr_fail in lib.sh.  An initramfs
# system sets hr_network_failed to the reason when there is no network: then only what is file: is
# tried.

# A URL without what might open a door.
hr_public_url()
{
	echo "$1" | sed 's|?.*|?...|; s|^\([A-Za-z0-9+-]*://\)[^/]*@|\1|'
}

# Mount a root at DIR: 0, with hr_used, the URLs that it comes from; else 1 and hr_error.
hr_boot_root()
{
	hr_used=${hydroot_servers:-}
	# shellcheck disable=SC2086 # a list of URLs
	if [ -n "${hr_network_failed:-}" ] && ! hr_is_one_a_file ${hydroot_servers:-}; then
		hr_error=$hr_network_failed
	else
		[ -z "${hr_network_failed:-}" ] || hr_warn "$hr_network_failed: going on, the image is a file"
		! hr_try "$1" "$(hr_public_url "${hydroot_servers%% *}")" || return 0
	fi
	if [ "$hr_attach_status" = 3 ]; then
		hr_error="$hr_error (low-memory=fail: no fallback)"
		return 1
	fi
	[ -n "${hydroot_fallback:-}" ] || return 1
	hr_tell "image: $(hr_public_url "${hydroot_servers%% *}"): cannot be used: $hr_error"
	if [ -n "${hr_network_failed:-}" ] && ! hr_is_file "$hydroot_fallback"; then
		hr_tell "fallback: $(hr_public_url "$hydroot_fallback"): not tried: $hr_network_failed"
		return 1
	fi
	hr_tell "fallback: trying $(hr_public_url "$hydroot_fallback")"
	# Not before: a fallback that cannot be reached must not hold up a boot that does not need it.
	hr_mount_transports "${hydroot_fallback%%#*}"
	# shellcheck disable=SC2034 # read in lib.sh
	hr_is_fallback=1
	if ! hr_try "$1" "$(hr_public_url "$hydroot_fallback")" --use-fallback; then
		hr_error="fallback: $hr_error"
		return 1
	fi
	# shellcheck disable=SC2034 # read in boot.sh
	hr_used=$hydroot_fallback
	hr_warn "fallback: booting $(hr_public_url "$hydroot_fallback")"
}

hr_attach_status=0
# While it exists reads of the device fail when attach-timeout is over; after that they wait for ever.
hr_mounting=${hr_mounting:-/run/hydroot/.mounting}

# One rung: attach, mount, judge; all undone where one of them fails.
hr_try()
{
	hr_say "attach: $2"
	if ! hr_attach "${3:-}"; then
		hr_error="attach: $hr_error"
		hr_undo "$1"
		return 1
	fi
	hr_say "attach: $hr_device is ready"
	hr_report attached
	hr_from=$hr_device
	if hr_mount_root "$hr_device" "$1" && hr_check_kernel "$1" && hr_check_root "$1"; then
		rm -f "$hr_mounting"
		hr_say "root: $hr_from is mounted ($hr_type)"
		return 0
	fi
	hr_error="root: $hr_error"
	hr_undo "$1"
	return 1
}

# hydrootd's messages go to the console, the device's path comes on its output: a file, because a
# pipe would be waited for until the daemon ends.
hr_attach()
{
	hr_attach_status=0
	hr_device=
	rm -f /run/hydroot/root/status.json
	true >"$hr_mounting"
	hr_watch_attach &
	hr_watcher=$!
	hydrootd --boot ${1:+"$1"} >/run/hydroot/.device 2>"$hr_console" </dev/null ||
		hr_attach_status=$?
	kill "$hr_watcher" 2>/dev/null || :
	if [ "$hr_attach_status" != 0 ]; then
		hr_error=$(hr_status_error)
		return 1
	fi
	read -r hr_device </run/hydroot/.device || :
	if [ ! -b "$hr_device" ]; then
		hr_error="'$hr_device' is no block device"
		return 1
	fi
}

# What the daemon said last of itself.
hr_status_error()
{
	hr_text=$(sed -n 's/.*"error": *"\(\([^"\\]\|\\.\)*\)".*/\1/p' \
		/run/hydroot/root/status.json 2>/dev/null | sed '$!d')
	echo "${hr_text:-hydrootd gave up, see above}"
}

# Take back whatever there is of a root at DIR.
hr_undo()
{
	for hr_dir in "$1" /run/hydroot/.overlay/layer /run/hydroot/.overlay/lower \
		/run/hydroot/.image; do
		umount "$hr_dir" 2>/dev/null || :
	done
	hr_free_layer
	if [ -n "${hr_device:-}" ]; then
		hydroot detach root >/dev/null 2>&1 ||
			hr_warn "$hr_device: cannot be detached: its memory stays in use"
	fi
	rm -f "$hr_mounting"
	hr_device=
}
