# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # net_* are set by eval, hr_* in lib.sh
# shellcheck disable=SC2034 # hr_error is for init
#
# net.sh - the network of the stand-alone initramfs: ip=, BOOTIF=, ifname=, vlan=, nameserver=
#
# Sourced by boot.sh.  Without ip= the first interface with a link that gets an address, by DHCP or
# router advertisements, and reaches a server wins.  The state of an interface is left in
# /run/net-DEVICE.conf, /etc/resolv.conf is written, and no DHCP client stays behind: handover.sh
# sees to it that the lease is renewed in the root.  An initramfs system without a udev defines
# hr_coldplug, which loads drivers for hardware that has come up meanwhile.

net_timeout=${net_timeout:-180}		# seconds for the whole network, carriers included
net_resolv_conf=${net_resolv_conf:-/etc/resolv.conf}
net_state=${net_state:-/run}		# where net-DEVICE.conf goes
net_dhcp_tries=3			# of 2 s each, per interface and round

# --- interfaces ---------------------------------------------------------------------------------

net_mac()
{
	cat "/sys/class/net/$1/address" 2>/dev/null
}

# As the kernel writes it: 52-54-00-AB-CD-EF is 52:54:00:ab:cd:ef.
net_plain_mac()
{
	echo "$1" | tr 'A-F-' 'a-f:'
}

net_link_by_mac()
{
	for net_link in $(hr_links); do
		if [ "$(net_mac "$net_link")" = "$1" ]; then
			echo "$net_link"
			return
		fi
	done
	return 1
}

net_has_carrier()
{
	[ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]
}

# DEVICE of ip= may be a name, a MAC address or BOOTIF; prints the name once it exists.
net_find()
{
	case $1 in
	BOOTIF) net_link_by_mac "${hydroot_bootif_mac:-}" ;;
	*:*:*:*:*:* | *-*-*-*-*-*) net_link_by_mac "$(net_plain_mac "$1")" ;;
	*) [ -e "/sys/class/net/$1" ] && echo "$1" ;;
	esac
}

# ifname=NAME:MAC
net_rename()
{
	net_i=0
	while [ "$net_i" -lt "${hydroot_n_ifname:-0}" ]; do
		net_i=$((net_i + 1))
		eval "net_pair=\$hydroot_ifname_$net_i"
		if net_link=$(net_link_by_mac "$(net_plain_mac "${net_pair#*:}")"); then
			ip link set "$net_link" down
			ip link set "$net_link" name "${net_pair%%:*}" ||
				hr_warn "ifname=$net_pair: cannot rename $net_link"
		else
			hr_warn "ifname=$net_pair: no interface with that address"
		fi
	done
}

# The number of a VLAN by its name, as in vlan5, vlan0005, eth0.5, eth0.0005; 1: no such
net_vlan_id()
{
	net_id=${1##*[!0-9]}
	while [ "${net_id#0}" != "$net_id" ]; do
		net_id=${net_id#0}
	done
	[ -n "$net_id" ] && [ "$net_id" -lt 4095 ] && echo "$net_id"
}

# vlan=NAME:DEVICE
net_vlans()
{
	net_i=0
	while [ "$net_i" -lt "${hydroot_n_vlan:-0}" ]; do
		net_i=$((net_i + 1))
		eval "net_pair=\$hydroot_vlan_$net_i"
		net_name=${net_pair%%:*}
		if ! net_number=$(net_vlan_id "$net_name"); then
			hr_error="vlan=$net_pair: no number from 1 to 4094 at the end of the name"
			return 1
		fi
		until net_under=$(net_find "${net_pair#*:}") && [ -n "$net_under" ]; do
			if ! net_in_time; then
				hr_error="vlan=$net_pair: no such interface: $(hr_links | tr '\n' ' ')"
				return 1
			fi
			sleep 0.2
		done
		[ ! -e "/sys/class/net/$net_name" ] || continue
		modprobe -q 8021q 2>/dev/null
		ip link set "$net_under" up
		if ! ip link add link "$net_under" name "$net_name" type vlan id "$net_number"; then
			hr_error="vlan=$net_pair: cannot be made: does the kernel have 8021q?"
			return 1
		fi
		ip link set "$net_name" up
		echo "$net_under" >>"$hr_interfaces"
	done
}

# With an address on DEVICE: is that the interface?  Where there is no choice, or no time for one, it is.
net_is_the_one()
{
	[ -n "$net_device" ] || [ "$(hr_links | wc -l)" -lt 2 ] ||
		[ "$(net_seconds)" -ge "$net_choice_end" ] || hr_reaches "$1"
}

net_links_up()
{
	for net_link in $(hr_links); do
		ip link set "$net_link" up 2>/dev/null || :
	done
}

net_seconds()
{
	read -r net_now _ </proc/uptime
	echo "${net_now%.*}"
}

net_in_time()
{
	[ "$(net_seconds)" -lt "$net_deadline" ]
}

# Interfaces to try now: the one called for, or all with a link.
net_candidates()
{
	if [ -n "$1" ]; then
		net_link=$(net_find "$1") && net_has_carrier "$net_link" && echo "$net_link"
		return
	fi
	for net_link in $(hr_links); do
		if net_has_carrier "$net_link"; then
			echo "$net_link"
		fi
	done
}

# Once in ten seconds: what the waiting is for.
net_say_waiting()
{
	net_now=$(net_seconds)
	if [ "$net_now" -ge "${net_next_say:-0}" ]; then
		[ -z "${net_next_say:-}" ] || hr_print "network: $1"
		net_next_say=$((net_now + 10))
	fi
}

# --- configurations -----------------------------------------------------------------------------

# Routes and MTU are not among what udhcpc asks for by itself, and some servers send only what is asked for.
net_dhcp()
{
	udhcpc -i "$1" -s /lib/hydroot/dhcp.sh -f -q -n -t "$net_dhcp_tries" -T 2 -O staticroutes -O mtu \
		${net_hostname:+-x hostname:"$net_hostname"} >/dev/null 2>&1
}

# A global address by router advertisements, which the kernel takes by itself.
net_auto6()
{
	for net_i in 1 2 3 4 5 6 7 8 9 10; do
		if ip -6 addr show dev "$1" scope global | grep 'inet6' | grep -qv tentative; then
			return 0
		fi
		sleep 0.5
	done
	return 1
}

# client gateway netmask: from the hydroot_ip_N_ variables read by net_read_ip.
net_static()
{
	net_mask=${net_netmask:-}
	case $net_client in
	*:*) net_family=-6 net_all=::/0 net_mask=${net_mask:-64} ;;
	*) net_family=-4 net_all=0.0.0.0/0 net_mask=${net_mask:-24} ;;
	esac
	ip "$net_family" addr add "$net_client/$net_mask" dev "$1" || return
	if [ -n "$net_gateway" ]; then
		ip "$net_family" route add "$net_gateway" dev "$1" 2>/dev/null || :
		ip "$net_family" route add "$net_all" via "$net_gateway" dev "$1" || return
	fi
	for net_dns in $net_dns0 $net_dns1; do
		echo "nameserver $net_dns" >>"$net_resolv_conf"
	done
	[ -z "$net_hostname" ] || hostname "$net_hostname"
	{
		echo "DEVICE='$1'"
		echo "PROTO='none'"
		echo "IPV4ADDR='$net_client'"
		echo "IPV4NETMASK='$net_mask'"
		echo "IPV4GATEWAY='$net_gateway'"
		echo "IPV4DNS0='$net_dns0'"
		echo "IPV4DNS1='$net_dns1'"
		echo "HOSTNAME='$net_hostname'"
	} >"$net_state/net-$1.conf"
}

# Fields of the N-th ip= into net_*.
net_read_ip()
{
	for net_key in client gateway netmask hostname device autoconf dns0 dns1 mtu macaddr; do
		eval "net_$net_key=\${hydroot_ip_$1_$net_key:-}"
	done
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

net_try()
{
	[ -z "$net_macaddr" ] || ip link set "$2" address "$net_macaddr" || return
	[ -z "$net_mtu" ] || ip link set "$2" mtu "$net_mtu" || return
	case $1 in
	static) net_static "$2" ;;
	dhcp) net_dhcp "$2" || { [ "$net_autoconf" = either6 ] && net_auto6 "$2"; } ;;
	auto6) net_auto6 "$2" ;;
	esac
}

# One ip=, from waiting for its interface to an address.
net_configure()
{
	net_how=$1
	net_seen='' net_rejected=''
	net_limit=$(hr_choice_seconds)
	[ "$net_limit" -le $((net_timeout / 3)) ] || net_limit=$((net_timeout / 3))
	net_choice_end=$(($(net_seconds) + net_limit))
	while net_in_time; do
		net_links_up
		net_tried=''
		for net_dev in $(net_candidates "$net_device"); do
			net_seen=$net_dev
			net_names=$(cat "$net_resolv_conf" 2>/dev/null)
			if net_try "$net_how" "$net_dev"; then
				if ! net_is_the_one "$net_dev"; then
					net_reject "$net_dev"
					continue
				fi
				echo "$net_dev" >>"$hr_interfaces"
				hr_say "network: $net_dev: $(net_describe "$net_dev") ($net_how)"
				return 0
			fi
			[ "$net_how" != static ] || return
			net_say_waiting "$net_dev: no answer yet ($net_how)"
		done
		# Their servers are not asked for leases all the time.
		[ -z "$net_tried" ] || sleep 2
		[ -n "$net_seen" ] || net_say_waiting "${net_device:-no interface}: no link yet"
		net_look_for_hardware
		sleep 0.1
	done
	return 1
}

# An address, but no server: it goes, with its name servers, which may know nothing of ours.  When the time for a
# choice is over the first with an address stays, and hydrootd says what is wrong with the server.
net_reject()
{
	case " $net_rejected " in
	*" $1 "*) net_say_waiting "$1: still no server answers there" ;;
	*)
		hr_say "network: $1: no server answers there"
		net_rejected="$net_rejected $1"
		;;
	esac
	ip addr flush dev "$1" scope global
	rm -f "$net_state/net-$1.conf"
	printf '%s\n' "$net_names" >"$net_resolv_conf"
	net_tried=1
}

# USB and slow buses: once in two seconds, while there is nothing to try.
net_look_for_hardware()
{
	[ -z "$net_seen" ] && command -v hr_coldplug >/dev/null || return 0
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

# Why it did not work, as far as this machine knows.
net_reason()
{
	net_all=$(hr_links | tr '\n' ' ')
	if [ -z "$net_all" ]; then
		echo "no interface: is its driver here (hydroot-mkinitramfs --drivers=)?"
	elif [ -n "$net_device" ] && ! net_find "$net_device" >/dev/null; then
		echo "$net_device: no such interface, there are: $net_all"
	elif [ -z "$net_seen" ]; then
		echo "no link on ${net_device:-any of: $net_all}: is the cable in?"
	else
		echo "$net_seen: no address ($net_how) within $net_timeout s"
	fi
}

# Everything: 0 when all ip= (or DHCP without any) are done; 1 with hr_error.
net_up()
{
	net_deadline=$(($(net_seconds) + net_timeout))
	mkdir -p "${hr_interfaces%/*}"
	[ ! -h "$net_resolv_conf" ] || rm -f "$net_resolv_conf"
	for net_dns in ${hydroot_nameservers:-}; do
		echo "nameserver $net_dns"
	done >"$net_resolv_conf"
	ip link set lo up
	net_rename
	net_vlans || return
	net_n=1
	net_count=${hydroot_n_ip:-0}
	while :; do
		net_read_ip "$net_n"
		if [ -z "$net_device" ] && [ -n "${hydroot_bootif_mac:-}" ]; then
			net_device=BOOTIF
		fi
		if [ -z "$net_device" ] && [ "${hydroot_n_vlan:-0}" -gt 0 ]; then
			net_device=${hydroot_vlan_1%%:*}
		fi
		if [ "$net_count" = 0 ]; then
			net_autoconf=either6
		fi
		net_what=$(net_method)
		case $net_what in
		off | none) ;;
		unknown)
			hr_error="ip=$net_autoconf: known are dhcp on any none off auto6 either6"
			return 1
			;;
		*)
			if ! net_configure "$net_what"; then
				hr_error="network: $(net_reason)"
				return 1
			fi
			;;
		esac
		net_n=$((net_n + 1))
		[ "$net_n" -le "$net_count" ] || break
	done
}

# While the rescue system waits: a cable may be put in, a DHCP server come back.
hr_rescue_network()
{
	if [ -n "${hr_network_failed:-}" ] && net_up; then
		hr_network_failed=
		hr_print "onfail=rescue: the network is up"
	fi
}
