#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # the initramfs's own paths
#
# hydroot-lib.sh - the shared core as dracut's hooks see it; becomes /usr/lib/hydroot/dracut.sh
#
# Hooks are processes of their own: what one has to tell the next is a file below /run/hydroot.

command -v getarg >/dev/null || . /lib/dracut-lib.sh
. /usr/lib/hydroot/boot.sh

# dracut stops at its own breakpoints by itself.
# shellcheck disable=SC2034 # read in boot.sh
hr_has_breaks=1

# Its own init looks for no other; systemd does.
# shellcheck disable=SC2034 # read in lib.sh
[ -n "${DRACUT_SYSTEMD:-}" ] || hr_inits=/sbin/init

if getargbool 0 quiet; then
	# shellcheck disable=SC2034 # read in lib.sh
	hr_quiet=1
fi

# For a name server, when there is an address: net.sh gives DHCP as long.
hydroot_names_seconds=6

# A shell by dracut's means.
hr_shell()
{
	emergency_shell -n hydroot "hydroot: leave the shell to go on"
}

# When the configuration is read there is no network yet: said again when there is.
hydroot_bad_config=/run/hydroot/.bad-config
hr_fail_config()
{
	mkdir -p "${hydroot_bad_config%/*}"
	true >"$hydroot_bad_config"
	hr_print "configuration: refused: waiting for the network first"
}

# While the rescue system waits: dracut's network may have come up meanwhile.
hr_rescue_network()
{
	if hr_lacks_network && hr_take_network; then
		hr_network_failed=
		hr_print "onfail=rescue: the network is up"
	fi
}

# Once there is an address, where one is needed, of the interface that is to be used.
hydroot_try()
{
	hr_is_ours || return 0
	if ! hr_needs_network || hydroot_decide; then
		hydroot_mount
	fi
}

# --- several interfaces -------------------------------------------------------------------------

# Which interface is it?  1: that is not known yet, and dracut brings up more meanwhile.  hydroot_over stays empty
# where there is no choice, and when none has reached a server in time: then it is whatever has an address.
hydroot_decide()
{
	hydroot_over=
	hydroot_up=$(hydroot_usable)
	[ -n "$hydroot_up" ] || return 1
	if ! hydroot_has_choice; then
		hydroot_can_name
		return
	fi
	for hydroot_over in $hydroot_up; do
		hydroot_take_names "$hydroot_over"
		! hr_reaches "$hydroot_over" || return 0
		hydroot_reject "$hydroot_over"
	done
	hydroot_over=
	hydroot_is_late
}

# Neither BOOTIF nor the devices of ip= leave one only.
hydroot_has_choice()
{
	[ -z "${hydroot_bootif_mac:-}" ] || return 1
	hydroot_ways=$(hr_links | wc -l)
	hydroot_i=0 hydroot_named=0
	while [ "$hydroot_i" -lt "${hydroot_n_ip:-0}" ]; do
		hydroot_i=$((hydroot_i + 1))
		eval "hydroot_word=\${hydroot_ip_${hydroot_i}_device:-}"
		[ -z "$hydroot_word" ] || hydroot_named=$((hydroot_named + 1))
	done
	[ "$hydroot_i" = 0 ] || [ "$hydroot_i" != "$hydroot_named" ] || hydroot_ways=$hydroot_named
	[ "$hydroot_ways" -gt 1 ]
}

# Interfaces with an address, and with their routes: network-legacy sets those in a job of its own, which calls us at
# its end, but an address is there before it.
hydroot_usable()
{
	hr_addressed | while read -r hydroot_name; do
		[ "$hydroot_name" != "${hydroot_netif:-}" ] &&
			[ -e "${hookdir:?}/initqueue/setup_net_$hydroot_name.sh" ] ||
			echo "$hydroot_name"
	done
}

# Can the names of servers be looked up, or is there no more time for that?  The first address may
# be one of IPv6 whose router says nothing of name servers, while DHCP still asks.
hydroot_can_name()
{
	# shellcheck disable=SC2086 # a list of URLs
	hydroot_has_names ${hydroot_proxy:-${hydroot_servers:-}} || return 0
	[ -n "$(hr_all_name_servers)" ] || hydroot_is_over names-end "$hydroot_names_seconds"
}

# Has one of the URLs a host with a name?
hydroot_has_names() # URL...
{
	for hydroot_url in $(hr_not_files "$@"); do
		hydroot_host=${hydroot_url#*://}
		hydroot_host=${hydroot_host%%[/?#]*}
		hydroot_host=${hydroot_host##*@}
		case ${hydroot_host%:*} in
		\[*) ;;
		*[!0-9.]*) return 0 ;;
		esac
	done
	return 1
}

# The name servers of an interface before those of others.  NetworkManager writes the file by itself.
hydroot_take_names()
{
	if [ -e "/tmp/net.$1.resolv.conf" ]; then
		cat "/tmp/net.$1.resolv.conf" >/etc/resolv.conf
		return
	fi
	hydroot_file=/run/systemd/netif/links/$(cat "${hr_sys:-/sys}/class/net/$1/ifindex" 2>/dev/null)
	grep -q '^DNS=.' "$hydroot_file" 2>/dev/null || return 0
	[ ! -h /etc/resolv.conf ] || rm -f /etc/resolv.conf
	hr_name_servers "$1" | sed 's/^/nameserver /' >/etc/resolv.conf
}

# Said once; the hooks are processes of their own.
hydroot_reject()
{
	[ ! -e "/run/hydroot/.rejected-$1" ] || return 0
	true >"/run/hydroot/.rejected-$1"
	hr_say "network: $1: no server answers there"
}

# Is the time for a choice over?
hydroot_is_late()
{
	hydroot_is_over choice-end "$(hr_choice_seconds)"
}

# Are these seconds over?  They begin when this is asked first.
hydroot_is_over() # NAME SECONDS
{
	read -r hydroot_now _ </proc/uptime
	hydroot_now=${hydroot_now%%.*}
	if [ ! -e "/run/hydroot/.$1" ]; then
		echo "$((hydroot_now + $2))" >"/run/hydroot/.$1"
	fi
	read -r hydroot_end <"/run/hydroot/.$1"
	[ "$hydroot_now" -ge "$hydroot_end" ]
}

# What resolv.conf says where it is made of what systemd-networkd knows.
hydroot_resolv_text()
{
	hr_name_servers "${hydroot_over:-}" | sed 's/^/nameserver /'
}

# Until killed: systemd-networkd may get to know others while the image is attached, as by DHCP
# after router advertisements.  A file that somebody else writes is left alone.
hydroot_watch_names()
{
	hydroot_text=$(cat /etc/resolv.conf 2>/dev/null)
	while sleep 1; do
		hydroot_new=$(hydroot_resolv_text)
		[ "$(cat /etc/resolv.conf 2>/dev/null)" = "$hydroot_text" ] || return
		case $hydroot_new in
		'' | "$hydroot_text") continue ;;
		esac
		echo "$hydroot_new" >/etc/resolv.conf
		hydroot_text=$hydroot_new
		hr_say "network: name servers: $(hr_name_servers "${hydroot_over:-}" | tr '\n' ' ' | sed 's/ $//')"
	done
}

# The way out over an interface, before those of others, which stay.  Noted, because network-legacy gives the default
# route to whatever interface comes last.
hydroot_note_way()
{
	for hydroot_family in -4 -6; do
		ip "$hydroot_family" route show default dev "$1" 2>/dev/null |
			while read -r _ hydroot_word hydroot_gateway _; do
				[ "$hydroot_word" = via ] || continue
				echo "$hydroot_family $hydroot_gateway $1"
				break
			done
	done >"/run/hydroot/.way"
}

hydroot_take_way()
{
	[ -e "/run/hydroot/.way" ] || return 0
	while read -r hydroot_family hydroot_gateway hydroot_out; do
		# What the kernel makes of no metric, for IPv6 it is another one.
		hydroot_metric=0
		[ "$hydroot_family" = -4 ] || hydroot_metric=1
		ip "$hydroot_family" route replace default via "$hydroot_gateway" dev "$hydroot_out" \
			metric "$hydroot_metric" || hr_warn "$hydroot_out: its gateway cannot be put first"
	done <"/run/hydroot/.way"
}

# What rd.neednet=1, which parse-hydroot.sh has set for ip=, makes dracut wait for: nobody needs it any more.
hydroot_forget_network()
{
	rm -f "${hookdir:?}"/initqueue/finished/wait-*.sh "$hookdir/initqueue/finished/nm.sh"
}

# --- the root -----------------------------------------------------------------------------------

# Device and root, once, however many interfaces come up.
hydroot_mount()
{
	if [ -e /run/hydroot/.mounted ] || ! hr_is_ours; then
		return 0
	fi
	hr_trace
	hr_modules
	if [ -n "${hydroot_over:-}" ]; then
		hydroot_note_way "$hydroot_over"
		hydroot_take_way
		hr_say "network: $hydroot_over: a server answers there"
	fi
	hydroot_forgets='' hydroot_watcher=
	if ! hr_needs_network; then
		! hr_wants_network || hydroot_forgets=1
	else
		# shellcheck disable=SC2034 # read in ladder.sh
		hr_take_network "${hydroot_over:-}" ||
			hr_network_failed="network: no interface got an address: cable, DHCP server, driver?"
		if [ "$(cat /etc/resolv.conf 2>/dev/null)" = "$(hydroot_resolv_text)" ]; then
			hydroot_watch_names &
			hydroot_watcher=$!
		fi
	fi
	[ ! -e "$hydroot_bad_config" ] || hr_fail "configuration: see above"
	udevadm settle --timeout=10
	hr_boot "${NEWROOT:-/sysroot}"
	[ -z "$hydroot_watcher" ] || kill "$hydroot_watcher" 2>/dev/null || :
	true >/run/hydroot/.mounted
	[ -z "$hydroot_forgets" ] || hydroot_forget_network
	# udevadm settle of the queue's loop shall not wait any more.
	true >"${hookdir:?}/initqueue/work"
}
