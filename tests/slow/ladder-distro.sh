#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
# The failure ladder in the distributions' initramfs systems: the server has no such image, and the boot says so and goes
# on with the fallback; where that is not what its digest says, onfail= reboots, powers off, or stays as the rescue
# system.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap
tests/image.sh all
for builder in dracut initramfs-tools; do
	tests/distro.sh bookworm "$builder" >/dev/null
done
start_nginx web "$IMAGES/served/good"
web=http://$GUEST_HOST:${nginx_port[web]}
good=$web/debian.hri#$(hydroot-image info --json "$IMAGES/served/good/debian.hri" | jq -r .digest)
bad=$web/debian.hri#sha256:$(printf '%064d' 1)
declare -A end_line=([reboot]='onfail=reboot: in 0 s' [poweroff]='onfail=poweroff'
	[rescue]='onfail=rescue: waiting for someone')

# boot NAME BUILDER FALLBACK ONFAIL SECONDS: as far as the second rung.  So long the daemon goes on asking for what is
# not there; a good root has to be mounted in that time, too, by an emulator.
boot()
{
	start_guest "$1" "$IMAGES/bookworm-$2/initrd.img" "rw $GUEST_IP rd.hydroot.attach-timeout=$5s \
		rd.hydroot.onfail=$4 rd.hydroot.fallback=$3 root=hydroot:$web/absent.hri"
	wait_console "$1" "$GUEST_BOOT_SECONDS" \
		'hydroot: image: http://[^ ]*/absent\.hri: cannot be used: attach: .*no server answered in time: .*HTTP 404'
	wait_console "$1" 30 'hydroot: fallback: trying http://[^ ]*/debian\.hri'
}

# ends_in BUILDER ONFAIL
ends_in()
{
	boot "$1-$2" "$1" "$bad" "$2" 5
	wait_console "$1-$2" 60 'hydroot: failed: fallback: attach: .*refused'
	wait_console "$1-$2" 20 "hydroot: ${end_line[$2]}"
	note "$1: $2"
}

for builder in dracut initramfs-tools; do
	boot "$builder" "$builder" "$good" poweroff 40
	wait_console "$builder" 60 'hydroot: warning: fallback: booting http://[^ ]*/debian\.hri'
	wait_login "$builder"
	stop_guest "$builder"
	note "$builder: login from the fallback"
done

ends_in dracut reboot
wait_guest_end dracut-reboot 60 reboot
ends_in initramfs-tools poweroff
wait_guest_end initramfs-tools-poweroff 60

# It stays, though the kernel was told to reboot at a panic.
for builder in dracut initramfs-tools; do
	ends_in "$builder" rescue
	sleep 10
	guest_runs "$builder-rescue" || fail "$builder: the rescue system has ended"
	refute "$builder: the rescue system reboots" console_has "$builder-rescue" 'reboot: |Kernel panic'
	stop_guest "$builder-rescue"
done
