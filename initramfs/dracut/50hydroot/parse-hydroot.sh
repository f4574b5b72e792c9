#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2034,SC2154 # dracut's own paths and variables
#
# parse-hydroot.sh - cmdline hook of dracut, sourced: claims the root when it is hydroot's
#
# With netroot set, the network modules of dracut bring up the network; those of systemd-networkd and NetworkManager
# do so for ip= only, so without ip= they are told to use DHCP.

. /usr/lib/hydroot/dracut.sh

hydroot_neednet()
{
	mkdir -p /etc/cmdline.d
	echo 'rd.neednet=1' >/etc/cmdline.d/50-hydroot.conf
	netroot=hydroot:${hydroot_url:-}
	# No hardware asks for IP over InfiniBand; its drivers come later than this, by udev.
	mkdir -p /run/udev/rules.d
	echo 'ACTION=="add", SUBSYSTEM=="infiniband", RUN{builtin}+="kmod load ib_ipoib"' \
		>/run/udev/rules.d/61-hydroot-infiniband.rules
	[ "${hydroot_n_ip:-0}" = 0 ] || return 0
	# What stands for any address, of IPv4 or IPv6, in the words of NetworkManager's generator, which runs later.
	[ ! -e /lib/nm-lib.sh ] || echo 'ip=on' >>/etc/cmdline.d/50-hydroot.conf
	mkdir -p /run/systemd/network
	# BOOTIF's interface only, where it is given.
	cat >/run/systemd/network/90-hydroot.network <<-END
		[Match]
		${hydroot_bootif_mac:+MACAddress=$hydroot_bootif_mac}
		Type=ether infiniband
		Kind=!*

		[Network]
		DHCP=yes
		KeepConfiguration=yes

		[DHCPv4]
		ClientIdentifier=mac
		RouteMetric=1024
	END
}

# Whoever saves the memory of a crashed kernel needs a boot that goes on: dracut ends one whose root nobody knows,
# and systemd does when it cannot mount what root= says.
hydroot_kdump()
{
	if [ -z "${rootok:-}" ]; then
		root=hydroot
		rootok=1
	fi
	if [ -n "${DRACUT_SYSTEMD:-}" ]; then
		mkdir -p /run/systemd/system/sysroot.mount.d
		printf '[Unit]\nConditionPathExists=!/proc/vmcore\n' \
			>/run/systemd/system/sysroot.mount.d/hydroot.conf
		systemctl daemon-reload
	fi
}

# root=hydroot:URL, or root=hydroot with the URL in the configuration.
if [ ! -e /run/hydroot/.claimed ] && hr_config; then
	hr_begin
	mkdir -p /run/hydroot
	true >/run/hydroot/.claimed
	root=hydroot
	rootok=1
	if hr_wants_network; then
		hydroot_neednet
	else
		unset netroot
	fi
	echo '[ -e /run/hydroot/.mounted ]' >"$hookdir/initqueue/finished/hydroot.sh"
elif [ -e "$hr_aside" ]; then
	hydroot_kdump
fi
