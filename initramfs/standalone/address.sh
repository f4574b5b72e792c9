# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # net_* are set by eval, hr_* in lib.sh
# shellcheck disable=SC2034 # net_* and hr_error are for net.sh
#
# address.sh - addresses for net.sh: by DHCP, by router advertisements, static
#
# For one ip=, whose fields are in net_*.  Nothing here waits: net_is_ready begins what it takes, and says whether there
# is something to set already.

net_state=${net_state:-/run}		# where net-DEVICE.conf goes
net_dhcp_script=${net_dhcp_script:-/lib/hydroot/dhcp.sh}
net_dhcp_alone=6			# seconds before either6 takes router advertisements instead

# --- DHCP ---------------------------------------------------------------------------------------

# One client for all the time there is: it keeps its number and counts its seconds, for servers
# that answer late or let others go first, and it renews the lease.  What it gets is noted, and set
# when it is the interface's turn.  Routes and MTU are not among what it asks for by itself, and
# some servers send only what is asked for.
net_dhcp_start()
{
	hr_lib=$hr_lib hr_console=$hr_console hr_log=$hr_log HYDROOT_LEASE=$net_run/.lease-$1 \
		udhcpc -i "$1" -s "$net_dhcp_script" -f -t 1000 -T 3 -A 3 \
		-O staticroutes -O mtu ${net_hostname:+-x hostname:"$net_hostname"} </dev/null >/dev/null 2>&1 &
	net_client_id=$!
	net_now=$(net_seconds)
	echo "$net_client_id $net_now ${net_since:-$net_now}" >"$net_run/.dhcp-$1"
}

# Is there a lease for the interface?  If not, net_since says since when one is asked for.
net_dhcp_has_lease()
{
	[ ! -e "$net_run/.lease-$1" ] || return 0
	net_client_id='' net_started=-2 net_since=
	{ read -r net_client_id net_started net_since <"$net_run/.dhcp-$1"; } 2>/dev/null || :
	if [ -z "$net_client_id" ] || ! kill -0 "$net_client_id" 2>/dev/null; then
		[ "$(net_seconds)" -lt $((net_started + 2)) ] || net_dhcp_start "$1"
	fi
	return 1
}

net_dhcp_end()
{
	[ -e "$net_run/.dhcp-$1" ] || return 0
	net_client_end "$net_run/.dhcp-$1"
	rm -f "$net_run/.lease-$1"
}

# The one whose number begins FILE, which goes with it.
net_client_end() # FILE
{
	read -r net_client_id _ <"$1"
	if tr '\0' ' ' <"/proc/$net_client_id/cmdline" | grep -q udhcpc; then
		kill "$net_client_id"
		wait "$net_client_id"
	fi 2>/dev/null
	rm -f "$1"
}

# The interface is taken: where its address is of the lease, the client goes on and only renews it,
# until the switch.
net_dhcp_keep()
{
	if [ -e "$net_run/.dhcp-$1" ] && [ -e "$net_run/.lease-$1" ] && [ "$(hr_lease "$1" PROTO)" = dhcp ]; then
		read -r net_client_id _ <"$net_run/.dhcp-$1"
		echo "$net_client_id $(hr_lease "$1" IPV4ADDR)" >"$net_run/.renews-$1"
		rm -f "$net_run/.dhcp-$1"
	else
		net_dhcp_end "$1"
	fi
}

# From the switch on somebody in the root renews.
net_dhcp_leave()
{
	for net_file in "$net_run"/.renews-*; do
		[ ! -e "$net_file" ] || net_client_end "$net_file"
	done
}

net_dhcp_set()
{
	(
		# shellcheck disable=SC1090 # written by dhcp.sh
		. "$net_run/.lease-$1"
		HYDROOT_METRIC=$net_metric "$net_dhcp_script" bound
	)
}

# --- configurations -----------------------------------------------------------------------------

# A global address by router advertisements, which the kernel takes by itself.
net_has_auto6()
{
	ip -6 addr show dev "$1" scope global | grep 'inet6' | grep -qv tentative
}

# An address of IPv6 is of no use until nobody else has claimed it: a second, or two.
net_settle()
{
	for net_i in 1 2 3 4 5 6 7 8 9 10; do
		ip -6 addr show dev "$1" | grep -q tentative || return 0
		sleep 0.3
	done
}

# client gateway netmask: from the hydroot_ip_N_ variables read by net_read_ip.
net_static()
{
	net_mask=${net_netmask:-}
	case $net_client in
	# Before router advertisements, whose metric is 1024.
	*:*) net_family=-6 net_all=::/0 net_mask=${net_mask:-64} net_route_metric=$((512 + ${net_metric:-0})) ;;
	*) net_family=-4 net_all=0.0.0.0/0 net_mask=${net_mask:-24} net_route_metric=$net_metric ;;
	esac
	ip "$net_family" addr replace "$net_client/$net_mask" dev "$1" || return
	if [ -n "$net_gateway" ]; then
		net_route replace "$net_gateway" dev "$1" 2>/dev/null || :
		net_route replace "$net_all" via "$net_gateway" dev "$1" || return
	fi
	[ "$net_family" = -4 ] || net_settle "$1"
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

# The routes of the first ip= go before those of the second.
net_route()
{
	ip "$net_family" route "$@" ${net_route_metric:+metric "$net_route_metric"}
}

# The routes of an IPv6 address outlive it.
net_static_unset()
{
	if [ -n "$net_gateway" ]; then
		net_route del "$net_all" via "$net_gateway" dev "$1"
		net_route del "$net_gateway" dev "$1"
	fi
	ip "$net_family" addr del "$net_client/$net_mask" dev "$1"
}

# Address and MTU of the card, before anything is asked for over it.
net_prepare()
{
	if [ -n "$net_macaddr" ] && [ ! -e "$net_run/.mac-$1" ]; then
		net_change_mac "$1" || return
	fi
	if [ -n "$net_mtu" ] && [ ! -e "$net_run/.dhcp-$1" ] && [ "$(cat "/sys/class/net/$1/mtu")" != "$net_mtu" ]; then
		ip link set "$1" mtu "$net_mtu"
	fi
}

# Some cards refuse another address while they are up.  Once: they lose the link by it.
net_change_mac()
{
	net_own=$(net_mac "$1")
	if [ "$net_own" = "$(net_plain_mac "$net_macaddr")" ]; then
		return 0
	fi
	if [ ! -e "$net_run/.refused-$1" ]; then
		ip link set "$1" down
		if net_text=$(ip link set "$1" address "$net_macaddr" 2>&1); then
			echo "$net_own" >"$net_run/.mac-$1"
		else
			echo "$net_text" >"$net_run/.refused-$1"
		fi
		ip link set "$1" up
	fi
	if [ -e "$net_run/.refused-$1" ]; then
		net_error="$1: MAC address $net_macaddr refused: $(cat "$net_run/.refused-$1")"
		return 1
	fi
	net_has_carrier "$1"
}

# Is there something to set?  What that takes is begun, and not waited for.
net_is_ready() # HOW DEVICE
{
	case $1 in
	static) true ;;
	dhcp)
		net_dhcp_has_lease "$2" ||
			{ [ "$net_autoconf" = either6 ] && [ -n "$net_since" ] &&
				[ "$(net_seconds)" -ge $((net_since + net_dhcp_alone)) ] && net_has_auto6 "$2"; }
		;;
	auto6) net_has_auto6 "$2" ;;
	esac
}

net_set()
{
	case $1 in
	static) net_static "$2" ;;
	dhcp) [ ! -e "$net_run/.lease-$2" ] || net_dhcp_set "$2" ;;
	esac
}

# What was set goes, with its name servers, which may know nothing of ours; what router advertisements gave is the
# kernel's.
net_unset()
{
	case $1 in
	static) net_static_unset "$2" 2>/dev/null ;;
	dhcp) ip -4 addr flush dev "$2" scope global ;;
	esac
	rm -f "$net_state/net-$2.conf"
	printf '%s\n' "$net_names" >"$net_resolv_conf"
}
