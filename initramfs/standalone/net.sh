# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # net_* are set by eval, hr_* in lib.sh
# shellcheck disable=SC2034 # hr_error is for init
#
# net.sh - the network of the stand-alone initramfs: ip=, BOOTIF=, ifname=, vlan=, nameserver=
#
# Sourced by boot.sh, after links.sh and address.sh.  All ip= are looked after in one loop, which waits for none
# of them: interfaces may come late, and each that could be the one has a DHCP client of its own.  Without
# ip= the first interface with a link that gets an address, by DHCP or router advertisements, and reaches
# a server wins.  The state of an interface is left in /run/net-DEVICE.conf, /etc/resolv.conf is
# written, and the DHCP client of each lease in use renews it until hr_leave; handover.sh sees to it
# that this goes on in the root.  An initramfs system without a udev defines hr_coldplug, which
# loads drivers for hardware that has come up meanwhile.

net_timeout=${net_timeout:-180}		# seconds for the whole network, carriers included
net_resolv_conf=${net_resolv_conf:-/etc/resolv.conf}

# --- time and messages ------------------------------------------------------------------------

net_seconds()
{
	read -r net_now _ </proc/uptime
	echo "${net_now%.*}"
}

net_in_time()
{
	[ "$(net_seconds)" -lt "$net_deadline" ]
}

# Once in ten seconds: what the waiting is for.
net_say_waiting()
{
	net_now=$(net_seconds)
	if [ "$net_now" -ge "${net_next_say:-0}" ]; then
		[ -z "${net_next_say:-}" ] || hr_print "network: $(net_reason yet)"
		net_next_say=$((net_now + 10))
	fi
}

net_say_once() # HOW TEXT
{
	case $net_said in
	*"<$2>"*) ;;
	*)
		"$1" "$2"
		net_said="$net_said<$2>"
		;;
	esac
}

# --- ip= ----------------------------------------------------------------------------------------

# Fields of the N-th ip= into net_*.
net_read_ip()
{
	for net_key in client gateway netmask hostname device autoconf dns0 dns1 mtu macaddr; do
		eval "net_$net_key=\${hydroot_ip_$1_$net_key:-}"
	done
	if [ -z "$net_device" ] && [ "${hydroot_n_vlan:-0}" -gt 0 ]; then
		net_device=${hydroot_vlan_1%%:*}
	elif [ -z "$net_device" ] && [ -n "${hydroot_bootif_mac:-}" ]; then
		net_device=BOOTIF
	fi
	net_metric=$(($1 - 1))
	[ "$net_metric" != 0 ] || net_metric=
}

# How is the N-th ip= to be done: static, dhcp, auto6, off
net_method()
{
	case $net_autoconf in
	'' | none | static | off)
		if [ -n "$net_client" ]; then echo static; else echo "${net_autoconf:-dhcp}"; fi
		;;
	dhcp | single-dhcp | on | any | both | either6) echo dhcp ;;
	auto6) echo auto6 ;;
	*) echo unknown ;;
	esac
}

# --- the loop -----------------------------------------------------------------------------------

# With an address on DEVICE: is that the interface?  Where there is no choice, or no time for one, it is.
net_is_the_one()
{
	[ -n "$net_device" ] || [ "$(hr_links | wc -l)" -lt 2 ] ||
		[ "$(net_seconds)" -ge "$net_choice_end" ] || hr_reaches "$1"
}

# A look at one ip=, whose fields have been read: 0 when it is done.  An interface with an address that reaches no
# server is given up, until its turn comes again; when the time for a choice is over the first with an address
# stays, and hydrootd says what is wrong with the server.
net_look()
{
	net_seen=
	for net_dev in $(net_candidates "$net_device"); do
		net_seen=1
		if ! net_prepare "$net_dev" || ! net_is_ready "$net_how" "$net_dev"; then
			continue
		fi
		net_names=$(cat "$net_resolv_conf" 2>/dev/null)
		if ! net_set "$net_how" "$net_dev" 2>"$net_run/.error"; then
			net_error="$net_dev: $(tr '\n' ' ' <"$net_run/.error")"
			net_dhcp_end "$net_dev"
		elif net_is_the_one "$net_dev"; then
			net_take "$net_dev"
			return 0
		else
			net_say_once hr_say "network: $net_dev: no server answers there"
			net_error="$net_dev: still no server answers there"
		fi
		net_unset "$net_how" "$net_dev"
		net_tried=1
	done
	[ -n "$net_seen" ] || net_unseen=1
	return 1
}

net_take()
{
	net_dhcp_keep "$1"
	echo "$1" >>"$hr_interfaces"
	net_done="$net_done $1"
	[ -n "$net_device" ] || net_chosen=1
	hr_say "network: $1: $(net_describe "$1") ($net_how)"
}

# One time round: all that is still to be done.
net_round()
{
	net_rename
	net_vlans || return
	net_links_up
	net_unseen=$net_baseless net_tried='' net_error='' net_left=''
	for net_n in $net_pending; do
		net_read_ip "$net_n"
		net_how=$(net_method)
		net_look || net_left="$net_left $net_n"
	done
	net_pending=$net_left
}

# Is it enough?  All is done; or the time for a choice is over, and a server is reached over what is done.
net_is_enough()
{
	[ -n "$net_pending$net_baseless" ] || return 0
	[ "$(net_seconds)" -ge "$net_choice_end" ] || return 1
	for net_dev in $net_done; do
		if hr_reaches "$net_dev"; then
			hr_warn "network: going on without another interface: $(net_reason yet)"
			return 0
		fi
	done
	return 1
}

net_wait()
{
	while net_in_time; do
		net_round || return
		! net_is_enough || return 0
		net_say_waiting
		# Servers are not asked all the time.
		[ -z "$net_tried" ] || sleep 2
		net_look_for_hardware
		sleep 0.2
	done
	hr_error="network: $(net_reason)"
	return 1
}

# USB and slow buses: once in two seconds, while there is nothing to try.
net_look_for_hardware()
{
	[ -n "$net_unseen" ] && command -v hr_coldplug >/dev/null || return 0
	net_now=$(net_seconds)
	if [ "$net_now" -ge "${net_next_look:-0}" ]; then
		net_next_look=$((net_now + 2))
		hr_coldplug
	fi
}

net_describe()
{
	net_address=$(ip -o addr show dev "$1" scope global | {
		read -r _ _ _ net_address _
		echo "$net_address"
	})
	echo "${net_address:-no address}${net_gateway:+ via $net_gateway}"
}

# Why the first of what is left does not work, as far as this machine knows; with `yet` there is still time.
net_reason()
{
	net_everything=$(hr_links | tr '\n' ' ')
	for net_n in $net_pending; do
		net_read_ip "$net_n"
		net_how=$(net_method)
		break
	done
	net_seen=$(net_candidates "$net_device" | tr '\n' ' ')
	if [ -z "$net_everything" ]; then
		echo "no interface: is its driver here (hydroot-mkinitramfs --drivers=)?"
	elif [ -n "$net_baseless" ]; then
		echo "vlan=${net_baseless# }: no such interface, there are: $net_everything"
	elif [ -n "$net_device" ] && ! net_find "$net_device" >/dev/null; then
		echo "$net_device: no such interface, there are: $net_everything"
	elif [ -z "$net_seen" ]; then
		echo "no link on ${net_device:-any of: $net_everything}: is the cable in?"
	elif [ -n "$net_error" ]; then
		echo "${net_error% }"
	elif [ -n "${1:-}" ]; then
		echo "${net_seen% }: no answer yet ($net_how)"
	else
		echo "${net_seen% }: no address ($net_how) within $net_timeout s"
	fi
}

# --- all of it ----------------------------------------------------------------------------------

# The numbers of the ip= that are to be done, into net_pending; without any there is one.
net_plan()
{
	[ "${hydroot_n_ip:-0}" != 0 ] || hydroot_ip_1_autoconf=either6
	net_pending='' net_n=1
	while :; do
		net_read_ip "$net_n"
		case $(net_method) in
		off | none) ;;
		unknown)
			hr_error="ip=$net_autoconf: known are dhcp on any none off auto6 either6"
			return 1
			;;
		*) net_pending="$net_pending $net_n" ;;
		esac
		net_n=$((net_n + 1))
		[ "$net_n" -le "${hydroot_n_ip:-0}" ] || break
	done
}

net_begin()
{
	net_said='' net_done='' net_chosen='' net_error='' net_next_say='' net_tried=''
	net_limit=$(hr_choice_seconds)
	[ "$net_limit" -le $((net_timeout / 3)) ] || net_limit=$((net_timeout / 3))
	net_now=$(net_seconds)
	net_deadline=$((net_now + net_timeout))
	net_choice_end=$((net_now + net_limit))
	mkdir -p "${hr_interfaces%/*}" "$net_run"
	net_dhcp_leave
	rm -f "$net_run"/.lease-* "$net_run"/.dhcp-* "$net_run"/.refused-*
	[ ! -h "$net_resolv_conf" ] || rm -f "$net_resolv_conf"
	for net_dns in ${hydroot_nameservers:-}; do
		echo "nameserver $net_dns"
	done >"$net_resolv_conf"
	ip link set lo up
}

# No client stays behind that does not renew.  What was not chosen goes down, with the routes that
# router advertisements gave it.
net_end()
{
	for net_link in $(hr_links); do
		net_dhcp_end "$net_link"
		if [ -n "$net_chosen" ] && ! grep -qx "$net_link" "$hr_interfaces"; then
			ip link set "$net_link" down
		fi
	done
	for net_file in "$net_run"/.dhcp-*; do
		net_dhcp_end "${net_file##*/.dhcp-}"
	done
	for net_pair in $net_nameless; do
		hr_warn "ifname=$net_pair: no interface with that address"
	done
}

# Everything: 0 when all ip= (or DHCP without any) are done, or enough of them; 1 with hr_error.
net_up()
{
	net_plan || return
	net_begin
	net_wait
	net_status=$?
	net_end
	return "$net_status"
}

# While the rescue system waits: a cable may be put in, a DHCP server come back.
hr_rescue_network()
{
	hr_lacks_network || return 0
	if net_up; then
		hr_network_failed=
		hr_print "onfail=rescue: the network is up"
	elif [ "$hr_error" != "${hr_network_failed:-}" ]; then
		hr_network_failed=$hr_error
		hr_print "onfail=rescue: $hr_error"
	fi
}
