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
	hr_trace
	hr_begin
	hr_modules
	udevadm settle --timeout=10 2>/dev/null || :
	hr_network
	hr_boot "$1"
}

if [ "${1:-}" = mount ]; then
	hr_config || exit 0
	# systemd makes it only for a mount unit of its own.
	mkdir -p "$2"
	hydroot_mount "$2"
	hr_leave "$2"
	# The root's systemd has the unit of this process from the initramfs's.  One that it finds no file of it would stop, with all
	# that is left of it.
	cp /usr/lib/systemd/system/hydroot-root.service /run/systemd/system/
fi
