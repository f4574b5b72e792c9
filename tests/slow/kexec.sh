#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# systemctl kexec in the middle of the fill, and again when the root is resident: each time systemd stops all that runs,
# the new kernel starts with the same command line, and attaches the image anew.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh services
start_nginx web "$IMAGES/services"
# kexec needs the initramfs, which is not in the image.
cp "$IMAGES/boot/initramfs.img" "$T/initrd"
truncate -s %512 "$T/initrd"
GUEST_MEMORY=1536
masked='systemd.mask=NetworkManager.service systemd.mask=networking.service'
start_guest g "$IMAGES/boot/initramfs.img" "rw $GUEST_IP rd.hydroot.fill=manual $masked \
	root=hydroot:http://$GUEST_HOST:${nginx_port[web]}/debian.hri" -drive "file=$T/initrd,format=raw,if=virtio,readonly=on"

logins() { tr -d '\r' <"$T/g.console" | grep -acE -- "$GUEST_LOGIN"; }
has_logins() { [ "$(logins)" -ge "$1" ]; }
kexec() # HOW-MANY-LOGINS-THEN
{
	guest g 60 'cp /dev/vda /run/initrd && kexec -l /boot/vmlinuz-* --initrd=/run/initrd --reuse-cmdline' ||
		fail "the kernel cannot be loaded"
	guest g 5 'systemctl kexec' || true
	wait_for "$GUEST_BOOT_SECONDS" "login number $1" has_logins "$1"
	wait_agent g
	assert_below "seconds since the kernel started" 500 "$(guest g 60 'cut -d. -f1 /proc/uptime')"
	refute "shutdown had trouble" console_has g \
		'Failed to (unmount|umount|detach|remount)|I/O error|EXT4-fs error|blocked for more than|Kernel panic'
}

wait_login g
wait_agent g
boot=$(guest g 60 'cat /proc/sys/kernel/random/boot_id')
guest g 60 'echo gone >/var/tmp/of-the-first-boot'
guest_hydroot g 60 'set root rate=100K'
guest_hydroot g 60 'resume root' || fail "the fill does not start"
assert_equal "state" filling "$(guest_status g .state)"
kexec 2
[ "$boot" != "$(guest g 60 'cat /proc/sys/kernel/random/boot_id')" ] || fail "it is the same boot"
refute "what was written in RAM is still there" guest g 60 'test -e /var/tmp/of-the-first-boot'
refute "it is resident already" guest_status_is g .state resident
note "kexec while the root comes over the network"

guest_hydroot g 60 'resume root' || true
wait_resident g 6
assert_root_is_plain g
kexec 3
note "kexec of a resident node"
end_guest g
