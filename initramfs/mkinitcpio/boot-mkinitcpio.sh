#!/usr/bin/ash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC1091 # the initramfs's own paths
# shellcheck disable=SC2154 # hr_* are set in lib.sh
#
# boot-mkinitcpio.sh - the shared core as mkinitcpio sees it; becomes /usr/lib/hydroot/mkinitcpio.sh
#
# Sourced by the run hook; run with the folder to mount at by hydroot-root.service.

PATH=${PATH:-/usr/sbin:/usr/bin}:/usr/lib/hydroot/bin
. /usr/lib/hydroot/boot.sh

hr_heed_quiet

# By its path: the shell of a full busybox takes its own modprobe, wherever PATH leads, and that one needs lists which
# mkinitcpio leaves out.
modprobe()
{
	/usr/bin/modprobe "$@"
}

hydroot_mount()
{
	hr_begin
	hr_modules
	udevadm settle --timeout=10 2>/dev/null || :
	hr_network
	hr_boot "$1"
}

# The init of the root at DIR, for the init of mkinitcpio.  That looks from outside whether it can be executed, where a link
# that begins with / leads elsewhere; without such a link the name stays, since some programs go by it.
hydroot_set_init()
{
	init=$hr_init
	[ -x "$1$init" ] || ! hr_file=$(hr_path_in_root "$1" "$init") || init=${hr_file#"$1"}
}

if [ "${1:-}" = mount ]; then
	hr_config || exit 0
	# systemd makes it only for a mount unit of its own.
	mkdir -p "$2"
	hydroot_mount "$2"
	hr_leave "$2"
fi
