# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # hydroot_* are set by hydrootd --print-config
#
# boot.sh - the steps from the configuration to the mounted root, for the adapters of the
# distributions' initramfs systems
#
# Sourced after lib.sh, POSIX sh, no side effects.  An adapter calls hr_config, brings the network
# up where hr_wants_network says so, and then hr_root DIR.  A step that fails ends in hr_fail,
# which does what onfail= says and does not return.

hr_lib=${hr_lib:-/lib/hydroot}

# Is the root of this boot hydroot's?  Says nothing.
hr_is_ours()
{
	eval "$(hydrootd --print-config 2>/dev/null)"
	hr_is_true "${hydroot_is_root:-0}"
}

# Reads the configuration; 1 when the root of this boot is not hydroot's.
hr_config()
{
	hr_text=$(hydrootd --print-config 2>"$hr_console")
	hr_status=$?
	eval "$hr_text"
	hr_is_true "${hydroot_is_root:-0}" || return 1
	[ "$hr_status" = 0 ] || hr_fail "configuration: see above"
	if hr_is_true "${hydroot_debug:-}"; then
		set -x
	fi
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

# What must be there before anything asks for it; the rest comes by hardware or by need.
hr_modules()
{
	while read -r hr_name; do
		modprobe -q "$hr_name" 2>/dev/null
	done <"$hr_lib/modules"
	# No hardware asks for IP over InfiniBand.
	[ ! -d /sys/class/infiniband ] || modprobe -q ib_ipoib 2>/dev/null
}

# An image on a local disk needs no network, unless ip= asks for one.
hr_wants_network()
{
	[ "${hydroot_n_ip:-0}" = 0 ] || return 0
	for hr_url in ${hydroot_servers:-http:}; do
		case $hr_url in
		file:* | /*) ;;
		*) return 0 ;;
		esac
	done
	return 1
}

# Has an interface a global address?  Answers with its name.
hr_has_address()
{
	ip -o addr show scope global up 2>/dev/null | while read -r _ hr_name _ hr_address _; do
		case $hr_name in
		lo) ;;
		*)
			echo "$hr_name $hr_address"
			break
			;;
		esac
	done | grep . 2>/dev/null
}

# Name servers in the words of nameserver=, ipconfig's state and systemd-networkd's, one a line.
hr_name_servers()
{
	for hr_server in ${hydroot_nameservers:-}; do
		echo "$hr_server"
	done
	for hr_file in /run/net-*.conf /run/net6-*.conf /run/systemd/netif/state; do
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

# hydrootd's messages go to the console, the device's path comes on its output: a file, because a
# pipe would be waited for until the daemon ends.  Sets hr_device.
hr_attach()
{
	mkdir -p /run/hydroot
	hr_say "attach: starting hydrootd"
	hydrootd --boot >/run/hydroot/.device 2>"$hr_console" </dev/null ||
		hr_fail "attach: hydrootd gave up, see above"
	hr_device=
	read -r hr_device </run/hydroot/.device
	[ -b "$hr_device" ] || hr_fail "attach: '$hr_device' is no block device"
	hr_say "attach: $hr_device is ready"
}

# For the root's udev, which may know nothing of hydroot.
hr_udev_rules()
{
	mkdir -p /run/udev/rules.d
	cp "$hr_lib/60-hydroot.rules" /run/udev/rules.d/
}

# Attach and mount at DIR.
hr_root()
{
	hr_attach
	hr_mount_root "$hr_device" "$1" || hr_fail "root: $hr_error"
	hr_say "root: $hr_device is mounted (${hr_type:-})"
	hr_check_kernel "$1" || hr_fail "root: $hr_error"
	hr_udev_rules
}
