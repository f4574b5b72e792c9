# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # hr_* are set in lib.sh, hydroot_* by hydrootd --print-config
#
# local.sh - is all that a boot needs on disks of this machine?
#
# Sourced by boot.sh.  Such a boot has the network that ip= asks for, but neither waits for it nor keeps
# the root's own programs from it.  Only what is certain counts: a file: may lie on NFS or iSCSI, where somebody has
# mounted that, and then it needs the network as any other image.

hr_mountinfo=${hr_mountinfo:-/proc/self/mountinfo}
hr_local=${hr_local:-/run/hydroot/.local} # exists: the mounted root needs no network

# Are these all file:, or paths?
hr_are_files() # URL...
{
	for hr_url; do
		hr_is_file "$hr_url" || return 1
	done
}

hr_is_file() # URL
{
	case $1 in
	[Ff][Ii][Ll][Ee]:* | /*) ;;
	*) return 1 ;;
	esac
}

hr_is_one_a_file() # URL...
{
	for hr_url; do
		! hr_is_file "$hr_url" || return 0
	done
	return 1
}

# Those that are neither, without their digests.
hr_not_files() # URL...
{
	for hr_url; do
		hr_is_file "$hr_url" || echo "${hr_url%%#*}"
	done
}

# Are they all there, on disks of this machine?
hr_are_local() # URL...
{
	hr_are_files "$@" || return 1
	for hr_url; do
		hr_url=${hr_url%%#*}
		hr_url=${hr_url#[Ff][Ii][Ll][Ee]:}
		hr_is_local_file "${hr_url#//}" || return 1
	done
}

# By rd.neednet=1, which keeps the interface, too.
hr_is_network_ordered()
{
	case ${hydroot_rd_neednet:-} in
	'' | 0 | n | no | off) return 1 ;;
	esac
}

# By ip= or vlan=.
hr_has_network_words()
{
	[ "$((${hydroot_n_ip:-0} + ${hydroot_n_vlan:-0}))" != 0 ]
}

# Must the network be there before the image is attached?  With ip= or rd.neednet=1 it is set up in any case, and what
# a file: lies on may be somewhere else.
hr_needs_network()
{
	hr_wants_network || return 1
	[ -z "${hydroot_rd_neednet:-}" ] || return 0
	# shellcheck disable=SC2046,SC2086 # lists of URLs
	set -- ${hydroot_servers:-http:} ${hydroot_fallback:-} $(hr_pack_elsewhere)
	if hr_has_network_words; then
		! hr_are_local "$@"
	else
		! hr_are_files "$@"
	fi
}

# Notes whether the root that is mounted now, from one of these, needs no network.
hr_note_local() # URL...
{
	! hr_is_network_ordered || return 0
	# shellcheck disable=SC2046 # none or one
	! hr_are_local "$@" $(hr_pack_elsewhere) || true >"$hr_local"
}

# The hot pack beside the image, unless it is in the image's own folder.
hr_pack_elsewhere()
{
	case ${hydroot_pack:-} in
	*:*) echo "$hydroot_pack" ;;
	esac
}

# The file itself, or the filesystem that it is in.  The kernel writes blanks of a folder's name in another way: one with
# such a name is not looked for.
hr_is_local_file() # PATH
{
	hr_path=$(readlink -f "$1") && [ -e "$hr_path" ] || return 1
	case $hr_path in
	*[!A-Za-z0-9_./:@%+,=~-]*) return 1 ;;
	esac
	if [ -b "$hr_path" ]; then
		hr_is_local_disk "${hr_sys:-/sys}/class/block/${hr_path##*/}"
		return
	fi
	hr_point_best='' hr_filesystem=''
	while read -r _ _ hr_number _ hr_point hr_rest; do
		case $hr_path in
		"${hr_point%/}"/*) ;;
		*) continue ;;
		esac
		[ "${#hr_point}" -ge "${#hr_point_best}" ] || continue
		hr_point_best=$hr_point hr_filesystem="$hr_number ${hr_rest#* - }"
	done <"$hr_mountinfo"
	# shellcheck disable=SC2086 # three words
	hr_is_local_filesystem $hr_filesystem
}

# As the kernel lists it: MAJOR:MINOR TYPE SOURCE.  That of btrfs has no device's number.
hr_is_local_filesystem()
{
	case ${1:-}:${2:-} in
	0:*:rootfs | 0:*:ramfs | 0:*:tmpfs) return 0 ;;
	0:*:btrfs) hr_is_local_disk "${hr_sys:-/sys}/class/block/${3##*/}" ;;
	0:* | :*) return 1 ;;
	*) hr_is_local_disk "${hr_sys:-/sys}/dev/block/$1" ;;
	esac
}

# By its folder of sysfs: what stands for hardware that is no session of iSCSI, or is made of such disks only.
hr_is_local_disk()
{
	hr_disk=$(readlink -f "$1") && [ -d "$hr_disk" ] || return 1
	case $hr_disk in
	*/session[0-9]* | */rbd/* | */net/*) return 1 ;;
	*/devices/virtual/*) ;;
	*) return 0 ;;
	esac
	[ -d "$hr_disk/slaves" ] || hr_disk=${hr_disk%/*}
	set -- "$hr_disk"/slaves/*
	[ -e "$1" ] || return 1
	for hr_disk; do
		hr_is_local_disk "$hr_disk" || return 1
	done
}
