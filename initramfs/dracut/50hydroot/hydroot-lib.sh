#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091 # the initramfs's own paths
#
# hydroot-lib.sh - the shared core as dracut's hooks see it; becomes /lib/hydroot/dracut.sh
#
# Hooks are processes of their own: what one has to tell the next is a file below /run/hydroot.

command -v getarg >/dev/null || . /lib/dracut-lib.sh
. /lib/hydroot/boot.sh

# dracut stops at its own breakpoints by itself.
# shellcheck disable=SC2034 # read in boot.sh
hr_has_breaks=1

if getargbool 0 quiet; then
	# shellcheck disable=SC2034 # read in lib.sh
	hr_quiet=1
fi

# A shell by dracut's means.
hr_shell()
{
	emergency_shell -n hydroot "hydroot: leave the shell to go on"
}

# While the rescue system waits: dracut's network may have come up meanwhile.
hr_rescue_network()
{
	if [ -n "${hr_network_failed:-}" ] && hr_take_network; then
		hr_network_failed=
		hr_print "onfail=rescue: the network is up"
	fi
}

# Once there is an address, where one is needed.
hydroot_try()
{
	hr_is_ours || return 0
	if ! hr_wants_network || [ -n "$(hr_addressed)" ]; then
		hydroot_mount
	fi
}

# Device and root, once, however many interfaces come up.
hydroot_mount()
{
	if [ -e /run/hydroot/.mounted ] || ! hr_is_ours; then
		return 0
	fi
	hr_modules
	if hr_wants_network && ! hr_take_network; then
		# shellcheck disable=SC2034 # read in ladder.sh
		hr_network_failed="network: no interface got an address: cable, DHCP server, driver?"
	fi
	udevadm settle --timeout=10
	hr_boot "${NEWROOT:-/sysroot}"
	true >/run/hydroot/.mounted
	# udevadm settle of the queue's loop shall not wait any more.
	true >"${hookdir:?}/initqueue/work"
}
