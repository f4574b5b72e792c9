# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC1091 # the initramfs's own paths
#
# hydroot-lib.sh - the shared core as dracut's hooks see it; becomes /lib/hydroot/dracut.sh

command -v getarg >/dev/null || . /lib/dracut-lib.sh
. /lib/hydroot/lib.sh
. /lib/hydroot/boot.sh

if getargbool 0 quiet; then
	# shellcheck disable=SC2034 # read in lib.sh
	hr_quiet=1
fi

# A shell by dracut's means.
hr_shell()
{
	emergency_shell -n hydroot "hydroot: leave the shell to go on"
}

# root=hydroot:URL, root=hydroot with the URL in the configuration, or netroot= of DHCP.
hydroot_claim()
{
	hr_config
}

# Device and root, once, however many interfaces come up.
hydroot_mount()
{
	[ ! -e /run/hydroot/.mounted ] || return 0
	hr_config || return 0
	hr_clock
	hr_modules
	if hr_wants_network; then
		hr_resolv_conf
	fi
	udevadm settle --timeout=10
	hr_root "${NEWROOT:-/sysroot}"
	: >/run/hydroot/.mounted
	# udevadm settle of the queue's loop shall not wait any more.
	: >"${hookdir:?}/initqueue/work"
}
