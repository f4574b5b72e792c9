# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # net_* are set by eval, hr_* in lib.sh
# shellcheck disable=SC2034 # net_* and hr_error are for net.sh
#
# links.sh - the interfaces that net.sh has to do with: finding, naming, VLANs, carriers

net_run=${net_run:-/run/hydroot}	# for notes about cards, DHCP clients and leases

# That of the card, also when ip= has given it another.
net_mac()
{
	cat "$net_run/.mac-$1" 2>/dev/null || cat "/sys/class/net/$1/address" 2>/dev/null
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

# ifname=NAME:MAC, for each that is there.  One that has the name of another gets a free one of the kernel, until its
# own turn comes: so two can change names.
net_rename()
{
	net_i=0 net_nameless=
	while [ "$net_i" -lt "${hydroot_n_ifname:-0}" ]; do
		net_i=$((net_i + 1))
		eval "net_pair=\$hydroot_ifname_$net_i"
		net_name=${net_pair%%:*}
		case $net_said in
		*"ifname=$net_pair: cannot"*) continue ;;
		esac
		if ! net_link=$(net_link_by_mac "$(net_plain_mac "${net_pair#*:}")"); then
			net_nameless="$net_nameless $net_pair"
		elif [ "$net_link" != "$net_name" ] && ! net_change_name "$net_link" "$net_name"; then
			net_say_once hr_warn "ifname=$net_pair: cannot rename $net_link"
		fi
	done
}

net_change_name() # DEVICE NAME
{
	case " $net_done " in
	*" $1 "* | *" $2 "*) return 1 ;;
	esac
	if [ -e "/sys/class/net/$2" ]; then
		net_change_name "$2" eth%d || return
	fi
	net_dhcp_end "$1"
	rm -f "$net_run/.mac-$1" "$net_run/.refused-$1"
	ip link set "$1" down
	ip link set "$1" name "$2"
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

# vlan=NAME:DEVICE, for each whose device is there; 1: one cannot be made
net_vlans()
{
	net_i=0 net_baseless=
	while [ "$net_i" -lt "${hydroot_n_vlan:-0}" ]; do
		net_i=$((net_i + 1))
		eval "net_pair=\$hydroot_vlan_$net_i"
		net_name=${net_pair%%:*}
		if ! net_number=$(net_vlan_id "$net_name"); then
			hr_error="vlan=$net_pair: no number from 1 to 4094 at the end of the name"
			return 1
		fi
		[ ! -e "/sys/class/net/$net_name" ] || continue
		net_under=$(net_find "${net_pair#*:}")
		if [ -z "$net_under" ]; then
			net_baseless="$net_baseless $net_pair"
			continue
		fi
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

# What a client or a lease was about is gone with the cable.
net_links_up()
{
	for net_link in $(hr_links); do
		ip link set "$net_link" up 2>/dev/null || :
		net_has_carrier "$net_link" || net_dhcp_end "$net_link"
	done
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
