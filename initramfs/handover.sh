# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # hr_* are set in lib.sh, hydroot_* by hydrootd --print-config
#
# handover.sh - between switch_root and residence: nobody may touch the boot's network meanwhile
#
# Sourced by boot.sh.  All is done by files in /run that the root's own programs read, and all of
# them are removed by one unit of the root's own systemd (release.sh), when the daemon has left the file
# /run/hydroot/root/resident.  A root without systemd gets the files, but nobody to remove them.

hr_run=${hr_run:-/run}			# for tests
hr_units=$hr_run/systemd/system
hr_scripts=$hr_run/hydroot/.scripts
hr_tools=$hr_run/hydroot/.tools

# What the root at DIR finds: interfaces (names, separated by blanks) that are to be kept, and the units.
hr_prepare_handover()
{
	hr_kept=$(hr_with_lower "$1")
	hr_copy_busybox "${2:-}"
	hr_copy_scripts
	for hr_if in $hr_kept; do
		hr_keep_name "$hr_if"
		hr_keep_networkd "$hr_if"
		hr_keep_network_manager "$hr_if"
		hr_keep_lease "$hr_if"
		hr_make_last "$hr_if"
	done
	hr_keep_names_of_hosts "${2:-}"
	# An image on a local disk needs none.
	if [ -n "$1" ]; then
		hr_keep_ifupdown
		hr_keep_generator
		hr_keep_awake
	fi
	hr_write_units
}

# What runs in the root is a part of this initramfs.
hr_copy_scripts()
{
	mkdir -p "$hr_scripts"
	for hr_file in lib progress release nosleep; do
		cp "$hr_lib/$hr_file.sh" "$hr_scripts/"
	done
	{
		echo "hr_quiet='${hr_quiet:-}'"
		echo "hr_reports='${hydroot_report:+1}'"
	} >"$hr_scripts/settings"
}

# The file of a command; busybox's own shell answers `command -v` with the bare name.
hr_file_of()
{
	hr_rest=$PATH:
	while [ -n "$hr_rest" ]; do
		hr_file=${hr_rest%%:*}/$1
		hr_rest=${hr_rest#*:}
		if [ -f "$hr_file" ] && [ -x "$hr_file" ]; then
			echo "$hr_file"
			return
		fi
	done
	return 1
}

# The loader that a program names in its head, or nothing: then it needs no library.
hr_loader_of()
{
	dd if="$1" bs=4096 count=1 2>/dev/null | tr -c '!-~' '\n' | grep '^/.*/ld[-._a-zA-Z0-9]*\.so[.0-9]*$'
}

# One with a DHCP client, beside our own files or wherever the initramfs system has it.
hr_find_busybox()
{
	for hr_file in "${hr_own_busybox:-/usr/lib/hydroot/bin/busybox}" "$(hr_file_of busybox)"; do
		[ -x "$hr_file" ] || continue
		hr_status=0
		"$hr_file" udhcpc --help >/dev/null 2>&1 || hr_status=$?
		if [ "$hr_status" != 127 ]; then
			echo "$hr_file"
			return
		fi
	done
	return 1
}

# For leases.  A mount of its own, because /run may not allow to run anything.  hr_by is what programs there are run by:
# with libraries, their own loader.
hr_copy_busybox() # ROOT
{
	hr_by='' hr_busybox=''
	hr_leased=$(for hr_if in $hr_kept; do ! hr_has_lease "$hr_if" || echo "$hr_if"; done)
	[ -n "$hr_leased" ] || return 0
	if ! hr_busybox=$(hr_find_busybox); then
		hr_warn_of_leases "$1"
		return 0
	fi
	mkdir -p "$hr_tools"
	if ! hr_mount tmpfs mode=755,nosuid,nodev,size=16m hydroot-tools "$hr_tools" ||
		! hr_copy_program "$hr_busybox"; then
		umount "$hr_tools" 2>/dev/null
		hr_busybox=
		hr_warn_of_leases "$1"
	fi
}

# With all it needs, as its loader lists it: NAME => PATH (ADDRESS).
hr_copy_program()
{
	cp "$1" "$hr_tools/busybox" && ln -sf busybox "$hr_tools/sh" || return
	hr_loader=$(hr_loader_of "$1") || return 0
	hr_by='/run/hydroot/.tools/ld.so '
	cp "$hr_loader" "$hr_tools/ld.so" || return
	LD_TRACE_LOADED_OBJECTS=1 "$1" 2>/dev/null </dev/null | while read -r hr_name hr_arrow hr_file _; do
		[ "$hr_arrow" != '=>' ] || [ ! -e "$hr_file" ] || cp "$hr_file" "$hr_tools/$hr_name" || exit
	done || return
	LD_LIBRARY_PATH=$hr_tools "$hr_tools/ld.so" "$hr_tools/busybox" true
}

# Once, and not where the root has networkd, which renews by itself.
hr_warn_of_leases() # ROOT
{
	if [ -h "$1/etc/systemd/system/multi-user.target.wants/systemd-networkd.service" ]; then
		return 0
	fi
	hr_warn "$(printf '%s\n' "$hr_leased" | tr '\n' ' ' | sed 's/ $//'): the DHCP lease is not renewed before residence:" \
		"the initramfs needs a busybox with udhcpc, or the root systemd-networkd (README.md)"
}

# The interfaces and all below them, of VLANs, bonds and bridges: a VLAN may lie on a bond.
hr_with_lower()
{
	hr_layer=$1
	while [ -n "$hr_layer" ]; do
		hr_below=
		for hr_if in $hr_layer; do
			echo "$hr_if"
			for hr_file in "${hr_sys:-/sys}/class/net/$hr_if"/lower_*; do
				[ ! -e "$hr_file" ] || hr_below="$hr_below ${hr_file##*/lower_}"
			done
		done
		hr_layer=$hr_below
	done | sort -u
}

# By address: a name may be changed by udev.  Only an address of Ethernet is short enough to last.
hr_match_of() # INTERFACE KEY: the second is what a name is called in that kind of file
{
	hr_mac=
	{ read -r hr_mac <"${hr_sys:-/sys}/class/net/$1/address"; } 2>/dev/null || :
	case $hr_mac in
	??:??:??:??:??:??) echo "MACAddress=$hr_mac" ;;
	*) echo "$2=$1" ;;
	esac
}

hr_keep_name()
{
	mkdir -p "$hr_run/systemd/network"
	printf '[Match]\n%s\n\n[Link]\nNamePolicy=keep\nMACAddressPolicy=none\n' \
		"$(hr_match_of "$1" OriginalName)" >"$hr_run/systemd/network/00-hydroot-$1.link"
}

# hr_lease DEVICE KEY: what dhcp.sh or net.sh noted, or nothing
hr_lease()
{
	[ -e "$hr_run/net-$1.conf" ] || return 0
	sed -n "s/^$2='\(.*\)'\$/\1/p" "$hr_run/net-$1.conf"
}

# In the words of DHCP=: of which families a lease is to be renewed, or nothing.  What router advertisements
# give is no lease.
hr_leases()
{
	hr_proto=$(hr_lease "$1" PROTO)
	if [ "$hr_proto" = dhcp ]; then
		echo yes
		return
	fi
	hr_families=$(ip -o addr show dev "$1" scope global 2>/dev/null | while read -r _ _ hr_family _ hr_rest; do
		case "$hr_family:$hr_proto: $hr_rest " in
		inet6:*mngtmpaddr* | inet6:*'flags 100'* | inet6:*' temporary '*) ;;
		inet6:*' dynamic '*) echo ipv6 ;;
		inet::*' dynamic '*) echo ipv4 ;;
		esac
	done | sort -u)
	case $hr_families in
	*ipv4*ipv6) echo yes ;;
	*) echo "$hr_families" ;;
	esac
}

# networkd keeps what it finds, also while there is no link, renews the lease as the same client, and gives its name servers to
# the root.  A family without a lease has nothing to renew.
hr_keep_networkd()
{
	{
		printf '[Match]\n%s\n' "$(hr_match_of "$1" Name)"
		# A VLAN has the address of what is below it.
		if [ -e "${hr_sys:-/sys}/class/net/$1/device" ]; then echo 'Kind=!*'; else echo "Name=$1"; fi
		printf '\n[Network]\nKeepConfiguration=yes\nIgnoreCarrierLoss=yes\n'
		hr_port "$1"
		hr_dhcp=$(hr_leases "$1")
		[ -z "$hr_dhcp" ] || echo "DHCP=$hr_dhcp"
		ip -o addr show dev "$1" scope global 2>/dev/null | hr_addresses "$hr_dhcp"
		for hr_server in $({ hr_name_servers "$1"; hr_all_name_servers; } | hr_once); do
			echo "DNS=$hr_server"
		done
		printf '\n[DHCPv4]\nClientIdentifier=mac\n'
	} >"$hr_run/systemd/network/00-hydroot-$1.network"
}

# Those of the boot, also where only resolv.conf has them, as by NetworkManager or network-legacy of dracut; not one that
# is of the initramfs itself.
hr_all_name_servers()
{
	hr_name_servers
	{
		while read -r hr_key hr_server hr_rest; do
			case $hr_key:$hr_server in
			nameserver:127.* | nameserver:::1) ;;
			nameserver:*) echo "$hr_server" ;;
			esac
		done <"${hr_resolv_conf:-/etc/resolv.conf}"
	} 2>/dev/null
}

# networkd takes a port from its bond or bridge unless it is told not to.  The port has no addresses of its own.
hr_port()
{
	if [ -e "${hr_sys:-/sys}/class/net/$1/master" ]; then
		printf 'KeepMaster=yes\nLinkLocalAddressing=no\n'
	fi
}

# Each line once, in their order.
hr_once()
{
	hr_seen=' '
	while read -r hr_line; do
		case $hr_seen in
		*" $hr_line "*) continue ;;
		esac
		hr_seen="$hr_seen$hr_line "
		echo "$hr_line"
	done
}

# Of what ip -o prints: those that come neither by router advertisements nor by a lease; LEASES as in DHCP=.
hr_addresses() # LEASES
{
	while read -r _ _ hr_family hr_address hr_rest; do
		case $1:$hr_family:$hr_rest in
		*:inet6:*dynamic* | yes:inet:* | ipv4:inet:*) ;;
		*:inet*:*) echo "Address=$hr_address" ;;
		esac
	done
}

# NetworkManager leaves the interface alone, but knows the name servers.  By the list that it compares anew when it is
# told to reload: managed= of a device section is only read when a device appears.  The list is in a file of its own,
# behind all others: one that sets it without a + would drop what was in it before.
hr_keep_network_manager()
{
	mkdir -p "$hr_run/NetworkManager/conf.d"
	printf '[keyfile]\nunmanaged-devices+=interface-name:%s\n' "$1" \
		>"$hr_run/NetworkManager/conf.d/zz-hydroot-$1.conf"
	hr_servers=$(hr_all_name_servers | hr_once | tr '\n' ',')
	[ -z "$hr_servers" ] ||
		printf '[global-dns-domain-*]\nservers=%s\n' "${hr_servers%,}" \
			>"$hr_run/NetworkManager/conf.d/00-hydroot-$1.conf"
}

# Is there a lease of IPv4 to be renewed?
hr_has_lease()
{
	case $(hr_leases "$1") in
	yes | ipv4) return 0 ;;
	*) return 1 ;;
	esac
}

# What the lease gave, whoever asked for it.
hr_leased_address()
{
	hr_address=$(hr_lease "$1" IPV4ADDR)
	[ -n "$hr_address" ] || hr_address=$(ip -o -4 addr show dev "$1" scope global 2>/dev/null |
		sed -n '/ dynamic /s|.* inet \([0-9.]*\).*|\1|p' | sed -n 1p)
	echo "$hr_address"
}

# Where networkd does not do it, a DHCP client of our own renews the lease; it changes nothing.
hr_keep_lease()
{
	[ -n "$hr_busybox" ] && hr_has_lease "$1" || return 0
	mkdir -p "$hr_units/multi-user.target.wants"
	ln -sf ../hydroot-lease@.service "$hr_units/multi-user.target.wants/hydroot-lease@$1.service"
	echo "IPV4ADDR=$(hr_leased_address "$1")" >"$hr_tools/$1.env"
	cat >"$hr_units/hydroot-lease@.service" <<-END
		[Unit]
		Description=Renew the lease of %i, over which the root comes
		ConditionPathExists=!/run/hydroot/root/resident
		After=systemd-networkd.service

		[Service]
		ExecCondition=/bin/sh -c '! systemctl -q is-active systemd-networkd.service'
		EnvironmentFile=/run/hydroot/.tools/%i.env
		Environment=${hr_by:+LD_LIBRARY_PATH=/run/hydroot/.tools}
		ExecStart=$hr_by/run/hydroot/.tools/busybox udhcpc -f -i %i -r \$IPV4ADDR -s /run/hydroot/.tools/lease
		Restart=on-failure
		RestartSec=60
	END
	echo "#!$hr_by/run/hydroot/.tools/sh" >"$hr_tools/lease"
	cat >>"$hr_tools/lease" <<-'END'
		case $1 in
		bound | renew)
			[ "$ip" = "$IPV4ADDR" ] ||
				echo "DHCP gives $ip now: $IPV4ADDR stays until the root is resident"
			;;
		esac
	END
	chmod 755 "$hr_tools/lease"
}

# An address that an initramfs system has set with a lifetime would end while the root still comes over it, unless
# the root has a networkd that renews it.  What a change does not name is set to its default: a lifetime to for ever.
hr_make_last()
{
	ip -o addr show dev "$1" scope global 2>/dev/null | while read -r _ _ hr_family hr_address hr_rest; do
		case $hr_family:$hr_rest in
		inet6:*mngtmpaddr* | inet6:*'flags 100'*) ! hr_hears_routers "$1" || continue ;;
		esac
		case " $hr_rest " in
		*' dynamic '*) ;;
		*) continue ;;
		esac
		hr_words=
		case $hr_rest in metric*) hr_words=${hr_rest#metric } hr_words="metric ${hr_words%% *}" ;; esac
		case $hr_rest in *noprefixroute*) hr_words="$hr_words noprefixroute" ;; esac
		# shellcheck disable=SC2086 # a list of words
		ip addr change "$hr_address" dev "$1" $hr_words 2>/dev/null ||
			hr_warn "$1: $hr_address: may end before the root is resident: its lifetime cannot be changed"
	done
}

# Does the kernel renew addresses by router advertisements there?
hr_hears_routers()
{
	hr_accepts=0
	{ read -r hr_accepts <"/proc/sys/net/ipv6/conf/$1/accept_ra"; } 2>/dev/null || :
	[ "$hr_accepts" != 0 ]
}

# A root at DIR that has no resolv.conf at all gets that of the boot.
hr_keep_names_of_hosts()
{
	if [ -n "$1" ] && [ -s /etc/resolv.conf ] && [ ! -e "$1/etc/resolv.conf" ] &&
		[ ! -h "$1/etc/resolv.conf" ]; then
		cp /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || :
	fi
}

# hr_drop_in UNIT LINE...: a drop-in that goes with the rest
hr_drop_in()
{
	hr_file=$hr_units/$1.d/00-hydroot.conf
	mkdir -p "$hr_units/$1.d"
	shift
	printf '%s\n' "$@" >"$hr_file"
}

# ifupdown knows no file that would keep it from one interface, nor from a bridge or bond over it: release.sh starts it, also
# where the root is resident from the start, since it has to find the interface without addresses.
hr_keep_ifupdown()
{
	for hr_unit in networking.service ifup@.service; do
		hr_drop_in "$hr_unit" '[Unit]' 'ConditionPathExists=!/run/hydroot/.scripts/settings'
	done
}

# What ip= says is done: a generator that is enabled in the root would say it again, to networkd, also for interfaces of
# which the root knows better, and before files of the root's own.  Names stay what they are; it may do more than read the
# command line.
hr_keep_generator()
{
	hr_words=
	# shellcheck disable=SC2013 # words are wanted
	for hr_word in $(cat "${hr_cmdline:-/proc/cmdline}"); do
		case $hr_word in
		*[!A-Za-z0-9_.,=:-]*) ;;
		ifname=* | net.ifname*) hr_words="$hr_words $hr_word" ;;
		esac
	done
	hr_drop_in systemd-network-generator.service '[Service]' "Environment=\"SYSTEMD_PROC_CMDLINE=${hr_words# }\""
}

# The network does not come back with its addresses.
hr_keep_awake()
{
	for hr_unit in systemd-suspend systemd-hibernate systemd-hybrid-sleep \
		systemd-suspend-then-hibernate; do
		hr_drop_in "$hr_unit.service" '[Service]' \
			'ExecStartPre=/bin/sh /run/hydroot/.scripts/nosleep.sh'
	done
}

# hydroot-resident.target waits, whoever starts it: what is Wanted by it and what is After it comes then.
# The path starts it without making the boot wait.
hr_write_units()
{
	mkdir -p "$hr_units/paths.target.wants" "$hr_units/sysinit.target.wants"
	cat >"$hr_units/hydroot-resident.target" <<-END
		[Unit]
		Description=The root is in memory, its server is not needed any more
		Requires=hydroot-wait-resident.service
		Wants=hydroot-release.service
		After=hydroot-wait-resident.service hydroot-release.service
	END
	cat >"$hr_units/hydroot-resident.path" <<-END
		[Unit]
		Description=See that the root is in memory

		[Path]
		PathExists=/run/hydroot/root/resident
		Unit=hydroot-resident.target
	END
	cat >"$hr_units/hydroot-wait-resident.service" <<-END
		[Unit]
		Description=Wait for the root to be in memory

		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/sh -c 'until [ -e /run/hydroot/root/resident ]; do sleep 1; done'
		TimeoutStartSec=infinity
	END
	cat >"$hr_units/hydroot-release.service" <<-END
		[Unit]
		Description=Give the boot interface to the system's own network configuration
		Requires=hydroot-wait-resident.service
		After=hydroot-wait-resident.service
		AssertPathExists=/run/hydroot/root/resident

		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/sh /run/hydroot/.scripts/release.sh
		TimeoutStartSec=10min
	END
	# It may be waiting for a block when the system goes down: that holds up nobody.
	cat >"$hr_units/hydroot-progress.service" <<-END
		[Unit]
		Description=Say how much of the root is in memory
		DefaultDependencies=no
		ConditionPathExists=!/run/hydroot/root/resident
		Conflicts=shutdown.target
		Before=shutdown.target

		[Service]
		Type=exec
		ExecStart=/bin/sh -c 'cd /run/hydroot/.scripts && . ./settings && . ./lib.sh && . ./progress.sh && hr_watch_root'
		TimeoutStopSec=2s
	END
	# A service that needs a block which is not there while the servers are away waits, and would be killed
	# for it.  Never stopped but by release.sh: while the root is not resident its shutdown waits, too.
	cat >"$hr_units/hydroot-watchdogs.service" <<-END
		[Unit]
		Description=Let services wait for the server of the root
		DefaultDependencies=no
		ConditionPathExists=!/run/hydroot/root/resident

		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecCondition=/bin/sh -c '[ "\$(systemctl service-watchdogs)" = yes ]'
		ExecStart=systemctl service-watchdogs no
		ExecStop=systemctl service-watchdogs yes
	END
	ln -sf ../hydroot-watchdogs.service "$hr_units/sysinit.target.wants/hydroot-watchdogs.service"
	ln -sf ../hydroot-resident.path "$hr_units/paths.target.wants/hydroot-resident.path"
	ln -sf ../hydroot-progress.service "$hr_units/sysinit.target.wants/hydroot-progress.service"
}
