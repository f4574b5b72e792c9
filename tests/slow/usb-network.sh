#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
# A machine whose only network card is at USB: its drivers are in the initramfs, of the host controller and of the card, and are
# loaded when the hardware says so.  It boots to login, with the stand-alone initramfs and with that
# of Debian's initramfs-tools.  The cloud kernel of the other tests has no USB: this is Debian's standard kernel.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap
tests/image.sh all
tests/kernel.sh
tests/distro.sh bookworm initramfs-tools standard
standard=$IMAGES/kernel-standard
start_nginx web "$IMAGES/served/good"
url=http://$GUEST_HOST:${nginx_port[web]}/debian.hri
GUEST_KERNEL=$standard/vmlinuz
GUEST_NET=(-device "qemu-xhci,id=usb" -netdev "user,id=n0" -device "usb-net,bus=usb.0,netdev=n0")

# boots NAME INITRAMFS
boots()
{
	# The image names another kernel as its own.
	start_guest "$1" "$2" "rw ip=dhcp rd.hydroot.kernel-check=warn root=hydroot:$url"
	wait_login "$1"
	wait_agent "$1"
	assert_equal "$1: kernel" "$(cat "$standard/kernel")" "$(guest "$1" 60 'uname -r')"
	# SC2016: in the guest
	# shellcheck disable=SC2016
	guest "$1" 60 'for link in /sys/class/net/*; do
		[ ! -e $link/device ] || echo "${link##*/} $(readlink -f $link/device/subsystem)"
	done' >"$T/links"
	note "$1: login by $(xargs <"$T/links")"
	assert_contains "$1: the card" ' /sys/bus/usb$' "$T/links"
	assert_equal "$1: how many cards" 1 "$(wc -l <"$T/links")"
	assert_no_io_errors "$1"
	stop_guest "$1"
}

sh initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$standard/kernel")" --root="$standard/tree" \
	--daemon="$BUILD/hydrootd" --hook=tests/boot/tools.hook --compress=none --output="$T/standalone.img"
boots standalone "$T/standalone.img"
boots initramfs-tools "$IMAGES/bookworm-initramfs-tools-standard/initrd.img"
