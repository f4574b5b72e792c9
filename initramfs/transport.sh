# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2034 # hr_limit is read in lib.sh
# shellcheck disable=SC2154 # hr_* are set in lib.sh, hydroot_* by hydrootd --print-config
#
# transport.sh - images on a network filesystem: nfs://SERVER/EXPORT/FILE.hri, and others by hooks
#
# Sourced by boot.sh.  For each URL that hydrootd cannot fetch by itself the filesystem is mounted
# read-only, and the file /run/hydroot/.transports tells hydrootd where the image is.  hydrootd
# opens it when it starts; the mount is then taken out of sight, and ends with the daemon.

hr_transports=${hr_transports:-/run/hydroot/.transports}
hr_transport_dir=${hr_transport_dir:-/etc/hydroot/transport.d}
hr_transport_seconds=${hr_transport_seconds:-60}	# for a hook, and for NFS of all versions together
hr_n_transports=0

# hr_mount_transports URL...: mount what is needed for those.  What fails is said; it is hydrootd that says when
# nothing is left.
hr_mount_transports()
{
	for hr_url; do
		hr_scheme=${hr_url%%://*}
		# What hydrootd fetches by itself, which takes HTTP:// for the same; no other scheme has capitals.
		case $hr_scheme in
		'' | http | https | file | *[!a-z0-9+-]*) continue ;;
		esac
		hr_n_transports=$((hr_n_transports + 1))
		hr_rest=${hr_url#*://}
		hr_host=${hr_rest%%/*}
		hr_path=/${hr_rest#*/}
		hr_dir=/run/hydroot/.transport/$hr_n_transports
		hr_shown=$(hr_public_url "$hr_url")
		hr_shown=${hr_shown%/*}
		mkdir -p "$hr_dir"
		if hr_mount_transport; then
			# A URL may have a password.
			(umask 077 && echo "$hr_url file://$hr_dir/${hr_path##*/}" >>"$hr_transports")
			hr_say "transport: $hr_shown: mounted"
		else
			hr_warn "transport: $hr_shown: ${hr_error:-not mounted}"
		fi
	done
}

# hr_scheme, hr_host, hr_path: the URL; the folder of the image is to be at hr_dir.
hr_mount_transport()
{
	hr_error=
	if [ -e "$hr_transport_dir/$hr_scheme" ]; then
		hr_within "$hr_transport_seconds" sh "$hr_transport_dir/$hr_scheme" \
			"$hr_host" "${hr_path%/*}" "$hr_dir" && return
		hr_error="$hr_transport_dir/$hr_scheme: ${hr_text:-failed}"
		return 1
	fi
	if [ "$hr_scheme" = nfs ]; then
		hr_mount_nfs
		return
	fi
	hr_error="no such transport: put a hook at $hr_transport_dir/$hr_scheme"
	return 1
}

# hr_host, without a name and password: its parts are hr_name, hr_port (empty: 2049) and hr_address.  1: no address.
hr_take_nfs_host()
{
	# NFS knows no passwords, and messages have the name.
	hr_host=${hr_host##*@}
	hr_name=$hr_host hr_port=
	case $hr_host in
	\[*\]:*) hr_name=${hr_host%:*} hr_port=${hr_host##*:} ;;
	\[*) ;;
	*:*:*) hr_name="[$hr_host]" ;;
	*:*) hr_name=${hr_host%:*} hr_port=${hr_host##*:} ;;
	esac
	hr_host=$hr_name
	hr_address=$(hr_resolve "$hr_host")
	[ -z "$hr_address" ] || return 0
	hr_error="$hr_host: no address is known by that name"
	return 1
}

# The kernel's NFS takes text options, but an address instead of a name, and asks for the module of each version itself.
# TCP over IPv6 has another name there.  A server that goes away later
# must end in an error after 30 s, so that hydrootd can turn to another.  The versions share the time.
hr_mount_nfs()
{
	modprobe -q nfs 2>/dev/null
	hr_take_nfs_host || return
	hr_tcp=tcp
	case $hr_address in *:*) hr_tcp=tcp6 ;; esac
	hr_until=$(($(hr_seconds) + hr_transport_seconds))
	hr_folder=${hr_path%/*}
	for hr_opts in vers=4.2 vers=4.0 "vers=3,nolock,mountproto=$hr_tcp"; do
		hr_opts=ro,nosuid,nodev,soft,timeo=100,retrans=2,proto=$hr_tcp,$hr_opts,addr=$hr_address
		hr_opts=$hr_opts${hr_port:+,port=$hr_port}
		hr_limit=$((hr_until - $(hr_seconds)))
		[ "$hr_limit" -gt 0 ] || break
		if hr_mount nfs "$hr_opts" "$hr_host:${hr_folder:-/}" "$hr_dir"; then
			hr_limit=
			return
		fi
	done
	hr_limit=
	return 1
}

# Just before switch_root.  The daemon has read the list, and has its file open: the filesystem goes with the last who
# uses it.
hr_leave_transports()
{
	rm -f "$hr_transports"
	for hr_dir in /run/hydroot/.transport/*; do
		umount -l "$hr_dir" 2>/dev/null || :
		rmdir "$hr_dir" 2>/dev/null || :
	done
}

# --- names of hosts -----------------------------------------------------------------------------

# The first address of a name, or nothing; an address, of IPv6 also in brackets, is its own.
hr_resolve()
{
	hr_name=${1#\[}
	hr_name=${hr_name%\]}
	case $hr_name in
	*:*) echo "$hr_name" ;;
	*[!0-9.]*) hr_in_hosts "$hr_name" || hr_ask_name_server "$hr_name" ;;
	*) echo "$hr_name" ;;
	esac
}

hr_in_hosts()
{
	[ -e "${hr_hosts:-/etc/hosts}" ] || return 1
	while read -r hr_address hr_names; do
		for hr_other in ${hr_names%%#*}; do
			if [ "$hr_other" = "$1" ]; then
				echo "$hr_address"
				return
			fi
		done
	done <"${hr_hosts:-/etc/hosts}"
	return 1
}

hr_ask_name_server()
{
	if command -v getent >/dev/null; then
		getent ahosts "$1" | {
			read -r hr_address _
			echo "$hr_address"
		}
	elif command -v nslookup >/dev/null; then
		nslookup "$1" 2>/dev/null | hr_first_answer
	fi
}

# Of what nslookup prints: the first "Address: A" or "Address 1: A" that comes after "Name:".
hr_first_answer()
{
	hr_is_answer=
	while read -r hr_key hr_value hr_rest; do
		case $hr_is_answer$hr_key in
		Name:) hr_is_answer=1 ;;
		1Address | 1Address:)
			case $hr_value in
			[0-9]:) hr_value=${hr_rest%% *} ;;
			esac
			echo "$hr_value"
			return
			;;
		esac
	done
}
