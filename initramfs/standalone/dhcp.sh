#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# dhcp.sh - udhcpc calls this with what the server said, in its environment
#
# The lease is set without a life time: a root that is still fetched must not lose its address,
# whether the server that gave it is there to renew it or not.
#
# With HYDROOT_LEASE nothing is set: the lease is noted in that file, and net.sh calls with it again when it
# is the interface's turn.  From then on the address stays, and the console hears of another.
# HYDROOT_METRIC, which may be empty, is the metric of the routes.

# udhcpc's names for the options it has received:
: "${interface:=}" "${ip:=}" "${subnet:=}" "${router:=}" "${dns:=}" "${domain:=}" "${mtu:=}" \
	"${hostname:=}" "${staticroutes:=}" "${serverid:=}" "${message:=}"

route()
{
	command ip -4 route add "$@" dev "$interface" ${HYDROOT_METRIC:+metric "$HYDROOT_METRIC"}
}

# "NET GATEWAY NET GATEWAY ..." (option 121), which replaces the router option
classless_routes()
{
	while [ $# -ge 2 ]; do
		if [ "$2" = 0.0.0.0 ]; then
			route "$1"
		else
			route "$1" via "$2"
		fi
		shift 2
	done
}

routes()
{
	if [ -n "$staticroutes" ]; then
		# shellcheck disable=SC2086 # a list of words
		classless_routes $staticroutes
		return
	fi
	for r in $router; do
		# A gateway outside the subnet (a /32 of some clouds) needs a route of its own.
		route "$r" 2>/dev/null
		route 0.0.0.0/0 via "$r" && break
	done
}

nameservers()
{
	for d in $dns; do
		grep -qx "nameserver $d" /etc/resolv.conf 2>/dev/null ||
			echo "nameserver $d" >>/etc/resolv.conf
	done
	if [ -n "$domain" ] && ! grep -q '^search ' /etc/resolv.conf; then
		echo "search $domain" >>/etc/resolv.conf
	fi
}

# In the form that klibc's ipconfig has made usual.
state()
{
	# shellcheck disable=SC2086 # a list of words
	set -- $dns
	echo "DEVICE='$interface'"
	echo "PROTO='dhcp'"
	echo "IPV4ADDR='$ip'"
	echo "IPV4NETMASK='$subnet'"
	echo "IPV4GATEWAY='${router%% *}'"
	echo "IPV4DNS0='${1:-}'"
	echo "IPV4DNS1='${2:-}'"
	echo "HOSTNAME='$hostname'"
	echo "DNSDOMAIN='$domain'"
	echo "ROOTSERVER='$serverid'"
}

# What a server sends ends in a file that others source: no quotes, no control characters.
plain()
{
	printf '%s' "$1" | tr -d "'\\\\\"\`\$\n"
}

note()
{
	file=$HYDROOT_LEASE
	unset HYDROOT_LEASE
	export -p >"$file.new" && mv "$file.new" "$file"
}

# The address that the last call noted, or nothing
noted()
{
	sed -n "s/^export ip='\(.*\)'\$/\1/p" "$HYDROOT_LEASE" 2>/dev/null
}

# The interface is in use, with an address that stays; each change is said once.
compare()
{
	read -r _ kept <"$used"
	last=$(noted)
	# shellcheck disable=SC1091 # beside this script, or where net.sh has it
	. "${hr_lib:-/lib/hydroot}/lib.sh"
	if [ "$1" = nak ]; then
		message=$(printf '%s' "$message" | tr -cd ' -~')
		[ -z "$last" ] || hr_warn "$interface: the DHCP server takes $kept back${message:+: $message}: it stays"
		rm -f "$HYDROOT_LEASE"
		return
	fi
	if [ "$ip" != "$last" ] && [ "$ip" != "$kept" ]; then
		hr_warn "$interface: DHCP gives $ip now: $kept stays"
	fi
	note
}

used=${HYDROOT_LEASE:+${HYDROOT_LEASE%/*}/.renews-$interface}
case ${1:-}${HYDROOT_LEASE:+ noted} in
'bound noted' | 'renew noted' | 'nak noted')
	if [ -e "$used" ]; then
		compare "$1"
	elif [ "$1" != nak ]; then
		note
	fi
	;;
deconfig)
	command ip -4 addr flush dev "$interface"
	command ip link set "$interface" up
	;;
bound | renew)
	hostname=$(plain "$hostname")
	domain=$(plain "$domain")
	[ -z "$mtu" ] || [ "$mtu" -lt 576 ] || command ip link set "$interface" mtu "$mtu"
	command ip -4 addr flush dev "$interface"
	command ip -4 addr add "$ip/${subnet:-255.255.255.0}" dev "$interface" || exit 1
	routes
	nameservers
	state >"/run/net-$interface.conf"
	if [ -n "$hostname" ] && [ "$(command hostname)" = '(none)' ]; then
		command hostname "$hostname"
	fi
	;;
esac
exit 0
