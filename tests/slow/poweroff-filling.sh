#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 2000
# A node that is not resident yet is powered off, or rebooted, with the distributions' initramfs systems: with dracut there
# was a systemd in the initramfs, too, and once the root goes back into an initramfs of dracut at the end, as it does
# where dracut is installed in it, which unmounts a root that still comes over the network.  A server that is away does not hold it up.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap cpio
tests/image.sh all
for builder in dracut initramfs-tools; do
	tests/distro.sh bookworm "$builder" >/dev/null
done
start_nginx web "$IMAGES/served/good"
url=http://$GUEST_HOST:${nginx_port[web]}/debian.hri

for builder in dracut initramfs-tools; do
	for verb in poweroff reboot; do
		end_while_filling "$builder-$verb" "$IMAGES/bookworm-$builder/initrd.img" "$url" "$verb"
	done
done

before_end()
{
	wait_for 300 "what it reads for that to be there" guest "$1" 60 'dmesg | grep -q "hydroot: shutdown: it needs no server from now on"'
	stop_nginx web
}
end_while_filling server-away "$IMAGES/bookworm-initramfs-tools/initrd.img" "$url" poweroff
restart_nginx web

# One that streams has let go of it when so much else was read; within the next minute it has it again.
start_hydroot_guest streams "$IMAGES/bookworm-initramfs-tools/initrd.img" "$url" 'rd.hydroot.mode=stream rd.hydroot.cache=64M loglevel=7'
wait_login streams
wait_agent streams
assert_equal "state" streaming "$(guest_status streams .state)"
guest streams 400 'find /usr /var -xdev -type f -exec cat {} + | wc -c; echo 3 >/proc/sys/vm/drop_caches' >"$T/read" || fail "not all can be read"
note "$(($(cat "$T/read") / 1000000)) MB were read with a cache of 64 MiB"
sleep $((65 * ${HYDROOT_SLOWER:-1}))
stop_nginx web
guest streams 5 'systemctl poweroff' || true
# Services whose own end reads what is not there take their TimeoutStopSec.
wait_guest_end streams 420
note "one that streams has ended without a server"
restart_nginx web

# What dracut-initramfs-restore leaves there, without the kernel's modules.
mkdir "$T/shutdown"
gzip -dc "$IMAGES/bookworm-dracut/initrd.img" | (cd "$T/shutdown" && cpio -id --quiet --no-absolute-filenames)
[ -x "$T/shutdown/shutdown" ] || fail "dracut's initramfs has no /shutdown"
rm -rf "$T/shutdown/usr/lib/modules" "$T/shutdown/usr/lib/firmware"
tar -C "$T/shutdown" -cf "$T/shutdown.tar" .
before_end()
{
	guest "$1" 120 'mkdir -p /run/initramfs && mount -t tmpfs -o mode=755 initramfs /run/initramfs &&
		tar -C /run/initramfs -xf /dev/vda' || fail "no initramfs to go back to"
}
end_while_filling back-in-dracut "$IMAGES/bookworm-dracut/initrd.img" "$url" poweroff \
	-drive "file=$T/shutdown.tar,format=raw,if=virtio,readonly=on"
console_has back-in-dracut 'dracut Warning: Unmounted /oldroot' || fail "dracut did not unmount the root"
