# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC1091 # the initramfs's own paths
# shellcheck disable=SC2154 # hydroot_* are set by hydrootd --print-config
#
# boot.sh - the steps of a boot, the same in every initramfs system
#
# Sourced, POSIX sh; brings all other files of the shared core with it.  An initramfs system calls, in
# this order: hr_config, hr_trace, hr_begin, hr_modules, its network (or hr_network, which is net.sh), hr_boot DIR, and
# just before the switch hr_leave.  A step that fails ends in hr_fail, which does what onfail= says and
# does not return.

hr_lib=${hr_lib:-/usr/lib/hydroot}

. "$hr_lib/lib.sh"
. "$hr_lib/ladder.sh"
. "$hr_lib/transport.sh"
. "$hr_lib/local.sh"
. "$hr_lib/report.sh"
. "$hr_lib/progress.sh"
. "$hr_lib/handover.sh"
# Where busybox has no udhcpc the initramfs system brings the network up by its own means.
if [ -e "$hr_lib/net.sh" ]; then
	. "$hr_lib/links.sh"
	. "$hr_lib/address.sh"
	. "$hr_lib/net.sh"
fi

hr_interfaces=${hr_interfaces:-/run/hydroot/.interfaces} # over which the boot goes, one a line
hr_aside=${hr_aside:-/run/hydroot/.aside}
hr_hook_dirs=${hr_hook_dirs:-/usr/lib/hydroot/hooks /etc/hydroot/hooks.d}

# --- beginning ----------------------------------------------------------------------------------

# Is the root of this boot hydroot's?  Says nothing of the configuration.
hr_is_ours()
{
	hr_find_console
	eval "$(hydrootd --print-config 2>/dev/null)"
	hr_claims_root
}

# Reads the configuration; 1 when the root of this boot is not hydroot's.
hr_config()
{
	hr_find_console
	hr_text=$(hydrootd --print-config 2>"$hr_console")
	hr_status=$?
	eval "$hr_text"
	hr_claims_root || return 1
	[ "$hr_status" = 0 ] || hr_fail_config
}

# An initramfs system that has no network yet may put this off, so that onfail=rescue has one.
hr_fail_config()
{
	hr_fail "configuration: see above"
}

# rd.hydroot.debug, from here on in this shell.
hr_trace()
{
	! hr_is_true "${hydroot_debug:-}" || set -x
}

# The kernel's `quiet`, for an initramfs system that does not hand it on.
hr_heed_quiet()
{
	case " $(cat "${hr_cmdline:-/proc/cmdline}") " in
	*' quiet '*) hr_quiet=1 ;;
	esac
}

hr_begin()
{
	hr_say "start: kernel $(uname -r)"
	hr_clock
}

hr_claims_root()
{
	hr_is_true "${hydroot_is_root:-0}" || return 1
	if hr_is_kdump; then
		hr_stand_aside
		return 1
	fi
}

# A crashed kernel's memory is to be saved, by whatever the initramfs has for it, or by a hook at the stage
# kdump.  Once, whoever asks; hydroot does nothing more in this boot.
hr_stand_aside()
{
	[ ! -e "$hr_aside" ] || return 0
	mkdir -p "${hr_aside%/*}"
	true >"$hr_aside"
	hr_print "/proc/vmcore: a crash kernel: hydroot stands aside"
	hr_stage kdump
}

# A dead battery gives 1970, before every certificate's first day.
hr_clock()
{
	{ read -r hr_built <"$hr_lib/build-time"; } 2>/dev/null || return 0
	if [ "$(date +%s)" -lt "$hr_built" ]; then
		date -s "@$hr_built" >/dev/null
		hr_say "clock: was before the build of this initramfs, set to that"
	fi
}

# Hooks see the stage's name in $stage, may redefine functions and set variables.  Where hr_has_breaks is
# set the initramfs system does by itself what it knows of rd.break=.
hr_stage()
{
	stage=$1
	for hr_dir in $hr_hook_dirs; do
		for hr_hook in "$hr_dir"/*; do
			# shellcheck disable=SC1090 # whatever the admin gave
			[ ! -e "$hr_hook" ] || . "$hr_hook"
		done
	done
	case ${hydroot_rd_break:-}:${hr_has_breaks:-} in
	"$stage":*) ;;
	1: | pre-pivot:) [ "$stage" = pre-switch ] || return 0 ;;
	pre-mount:) [ "$stage" = pre-attach ] || return 0 ;;
	*) return 0 ;;
	esac
	hr_print "rd.break: a shell at $stage; leaving it goes on"
	hr_shell
}

# What must be there before anything asks for it; the rest comes by hardware or by need.
hr_modules()
{
	while read -r hr_name; do
		modprobe -q "$hr_name" 2>/dev/null
	done <"$hr_lib/modules"
}

# No hardware asks for IP over InfiniBand.  After the drivers of the hardware, before the network.
hr_infiniband()
{
	[ ! -d "${hr_sys:-/sys}/class/infiniband" ] || modprobe -q ib_ipoib 2>/dev/null
}

# --- network ------------------------------------------------------------------------------------

# An image on a local disk needs no network, unless ip= or vlan= asks for one, or what else comes over it: the fallback,
# the pack, and reports.  rd.neednet= has the last word on that, but none on an image that comes over the network.
hr_wants_network()
{
	! hr_is_network_ordered || return 0
	if [ -z "${hydroot_rd_neednet:-}" ]; then
		! hr_has_network_words || return 0
		# shellcheck disable=SC2046,SC2086 # lists of URLs
		hr_are_files $(hr_pack_elsewhere) ${hydroot_report:-} || return 0
	fi
	# shellcheck disable=SC2086 # a list of URLs
	! hr_are_files ${hydroot_servers:-http:} ${hydroot_fallback:-}
}

# By net.sh.  Without network there may still be an image or a fallback on a disk.
hr_network()
{
	hr_stage pre-network
	hr_infiniband
	hr_wants_network || return 0
	# shellcheck disable=SC2034 # read in net.sh
	hr_needs_network || net_timeout=20
	net_up || hr_network_failed=$hr_error
}

# Interfaces that stand for hardware, in the kernel's order.
hr_links()
{
	for hr_file in "${hr_sys:-/sys}"/class/net/*; do
		[ -e "$hr_file/device" ] && echo "${hr_file##*/}"
	done
}

# Does a server, or the proxy to them, answer over this interface?  No route of another one counts.  With an image in a
# file it is the fallback's server that is asked.
hr_reaches()
{
	hr_list=${hydroot_proxy:-}
	# shellcheck disable=SC2086 # lists of URLs
	[ -n "$hr_list" ] || hr_list=$(hr_not_files ${hydroot_servers:-})
	# shellcheck disable=SC2086
	[ -n "$hr_list" ] || hr_list=$(hr_not_files ${hydroot_fallback:-})
	# shellcheck disable=SC2086
	[ -z "$hr_list" ] || timeout 20 hydrootd --reach="$1" $hr_list 2>/dev/null
}

# For so many seconds one that reaches a server is looked for, before one that does not is taken: links and
# leases of others may need as long.
hr_choice_seconds()
{
	if [ "${hydroot_attach_timeout:-300}" -lt 60 ]; then
		echo "$hydroot_attach_timeout"
	else
		echo 60
	fi
}

# Interfaces with a global address, one a line.  One of IPv6 is of no use until nobody else has
# claimed it.
hr_addressed()
{
	ip -o addr show scope global up 2>/dev/null | grep -v ' tentative' | while read -r _ hr_name _; do
		hr_name=${hr_name%:}
		[ "$hr_name" = lo ] || echo "${hr_name%%@*}"
	done | sort -u
}

# Is there still something to be done for a network, in a rescue system?
hr_lacks_network()
{
	[ -n "${hr_network_failed:-}" ] || [ ! -s "$hr_interfaces" ]
}

# For an initramfs system that has brought the network up by its own means: over INTERFACE, if it is given.
hr_take_network()
{
	mkdir -p "${hr_interfaces%/*}"
	if [ -n "${1:-}" ]; then echo "$1"; else hr_addressed; fi >"$hr_interfaces"
	hr_resolv_conf
	[ -s "$hr_interfaces" ]
}

# Name servers in the words of nameserver=, ipconfig's state and systemd-networkd's, one a line: of all interfaces, or
# of one.
hr_name_servers()
{
	for hr_server in ${hydroot_nameservers:-}; do
		echo "$hr_server"
	done
	hr_files=$hr_run/systemd/netif/state
	if [ -n "${1:-}" ]; then
		hr_number=
		{ read -r hr_number <"${hr_sys:-/sys}/class/net/$1/ifindex"; } 2>/dev/null || :
		hr_files=$hr_run/systemd/netif/links/${hr_number:-none}
	fi
	for hr_file in "$hr_run"/net-${1:-*}.conf "$hr_run"/net6-${1:-*}.conf $hr_files; do
		[ -e "$hr_file" ] || continue
		while IFS='=' read -r hr_key hr_value; do
			case $hr_key in
			DNS | IPV4DNS0 | IPV4DNS1 | IPV6DNS0 | IPV6DNS1) ;;
			*) continue ;;
			esac
			for hr_server in $hr_value; do
				hr_server=${hr_server#[\'\"]}
				hr_server=${hr_server%[\'\"]}
				case $hr_server in
				'' | 0.0.0.0 | ::) ;;
				*) echo "${hr_server%%#*}" ;;
				esac
			done
		done <"$hr_file"
	done
}

# Not every network script of an initramfs writes it.
hr_resolv_conf()
{
	! grep -q '^nameserver' /etc/resolv.conf 2>/dev/null || return 0
	[ ! -h /etc/resolv.conf ] || rm -f /etc/resolv.conf
	hr_name_servers | while read -r hr_server; do
		echo "nameserver $hr_server"
	done >/etc/resolv.conf
}

# --- the root -----------------------------------------------------------------------------------

# Device and root, mounted at DIR.
hr_boot()
{
	hr_stage pre-attach
	# shellcheck disable=SC2086 # a list of URLs
	[ -n "${hr_network_failed:-}" ] || hr_mount_transports ${hydroot_servers:-}
	hr_boot_root "$1" || hr_fail "$hr_error"
	# shellcheck disable=SC2086 # a list of URLs
	hr_note_local $hr_used
}

# For the root's udev, which may know nothing of hydroot.
hr_udev_rules()
{
	mkdir -p /run/udev/rules.d
	cp "$hr_lib/60-hydroot.rules" /run/udev/rules.d/
}

# The last thing before the switch to the root at DIR.
hr_leave()
{
	hr_stage pre-switch
	hr_udev_rules
	hr_kept=
	[ -e "$hr_local" ] || hr_kept=$(sort -u "$hr_interfaces" 2>/dev/null)
	hr_prepare_handover "$hr_kept" "$1"
	hr_report switch_root 1
	hr_leave_transports
	! command -v net_dhcp_leave >/dev/null || net_dhcp_leave
}
