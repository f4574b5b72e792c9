#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
# mkinitcpio's initramfs, of both kinds: a root over HTTP becomes resident, and nothing of hydroot is left.  Where the server
# has no such image, the console says so in one line, and onfail= has its way.  Debian has no mkinitcpio: MKINITCPIO=DIR
# has its source.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap
[ -e "${MKINITCPIO-}/mkinitcpio" ] || skip "needs MKINITCPIO=DIR, a folder with mkinitcpio's source, of v40 or newer"
tests/image.sh all
start_nginx web "$IMAGES/served/good"
web=http://$GUEST_HOST:${nginx_port[web]}
declare -A variant=([busybox]='' [systemd]=systemd)

# The reason stands in one line of the console, and a panic of the kernel or a shell is not what follows.
fails() # KIND ONFAIL LAST-WORDS
{
	start_guest "$1-$2" "$initrd" "rw $GUEST_IP rd.hydroot.attach-timeout=20s rd.hydroot.onfail=$2 panic=3 \
		root=hydroot:$web/absent.hri"
	wait_console "$1-$2" "$GUEST_BOOT_SECONDS" 'hydroot: failed: attach: .*no server answered in time: .*HTTP 404'
	wait_console "$1-$2" 60 "$3"
	assert_equal "$1: lines with the reason" 1 "$(tr -d '\r' <"$T/$1-$2.console" | grep -ac 'hydroot: failed: ')"
	refute "$1: the kernel panics" console_has "$1-$2" 'Kernel panic'
	note "$1: $2"
}

for kind in ${KINDS:-busybox systemd}; do
	tests/distro.sh bookworm mkinitcpio ${variant[$kind]:+"${variant[$kind]}"} >/dev/null
	initrd=$IMAGES/bookworm-mkinitcpio${variant[$kind]:+-${variant[$kind]}}/initrd.img
	start_hydroot_guest "$kind" "$initrd" "$web/debian.hri" rd.hydroot.fill=manual
	wait_login "$kind"
	wait_agent "$kind"
	note "$kind: login"
	# The daemon is in the unit of the boot, which the root's systemd must neither stop nor kill.
	[ "$kind" != systemd ] || assert_equal "the unit of the boot" "active process" \
		"$(guest "$kind" 60 'systemctl show -p ActiveState -p KillMode --value hydroot-root.service | sort | xargs')"
	guest_hydroot "$kind" 60 'resume root' || fail "$kind: the fill cannot be started"
	wait_resident "$kind"
	assert_root_is_plain "$kind"
	assert_manifest "$kind"
	end_guest "$kind"
	note "$kind: resident, all files are right"
	fails "$kind" poweroff 'hydroot: onfail=poweroff'
	wait_guest_end "$kind-poweroff" 60
	fails "$kind" rescue 'hydroot: onfail=rescue: waiting for someone'
	sleep 10
	guest_runs "$kind-rescue" || fail "$kind: the rescue system has ended"
	stop_guest "$kind-rescue"
done
