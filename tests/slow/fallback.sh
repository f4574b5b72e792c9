#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# The failure ladder: the server is absent, and the boot says why and goes on with the fallback, a squashfs
# with a writable layer over it.  Until the root is resident the boot interface is kept from
# the root's own programs; then they get it, hydroot-resident.target is reached, and the status was posted at
# each milestone.  A fallback that is not what its digest says ends in onfail.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mksquashfs
tests/image.sh squashfs
start_nginx web "$IMAGES/squashfs"
web=http://$GUEST_HOST:${nginx_port[web]}
digest=$(hydroot-image info --json "$IMAGES/squashfs/debian.hri" | jq -r .digest)
absent=http://$GUEST_HOST:1/absent.hri

# So long the daemon goes on asking for what is not there; a good root has to be mounted in that time, too, by an emulator.
start_hydroot_guest g "$IMAGES/boot/initramfs.img" "$absent" \
	"rd.hydroot.attach-timeout=40s rd.hydroot.fill=manual rd.hydroot.report=$web/report?node=g \
	rd.hydroot.fallback=$web/debian.hri#$digest"
wait_console g "$GUEST_BOOT_SECONDS" 'hydroot: image: .*absent\.hri: cannot be used: attach: .*no server'
wait_console g 60 'hydroot: fallback: trying http://.*/debian\.hri'
wait_login g
note "login from the fallback"
console_has g 'root: /dev/hydroot/root is mounted \(squashfs\)' || fail "no squashfs was mounted"
wait_agent g
assert_equal "the filesystem of /" overlay "$(guest g 60 'findmnt -no FSTYPE /')"
guest g 60 'echo kept >/etc/written && stat -c %U:%a /etc/written' >"$T/written" 2>&1 ||
	fail "the root cannot be written: $(cat "$T/written")"
kept='test -e /run/systemd/network/00-hydroot-eth0.network'
guest g 60 "$kept" || fail "nothing keeps networkd from the boot interface"
assert_equal "suspend before residence" failed \
	"$(guest g 60 'systemctl start systemd-suspend 2>/dev/null && echo done || echo failed')"
refute "resident without being filled" guest_status_is g .state resident
guest_hydroot g 60 'resume root' || fail "the fill does not begin"
wait_resident g
is_posted() { grep -qE "POST /report\\?node=$1&event=$2 " "$(nginx_log web)"; } # NODE EVENT
is_released() { ! guest g 60 "$kept" && guest g 60 'systemctl -q is-active hydroot-resident.target'; }
wait_for 60 "hydroot-resident.target" is_released
note "resident, the network is the root's own"
# The target is reached without waiting for the answers.
for event in attached switch_root resident; do
	wait_for 60 "the report of $event" is_posted g "$event"
done
stop_nginx web
guest g 60 'test "$(cat /etc/written)" = kept && ! ls /run/systemd/system/*.d/00-hydroot.conf 2>/dev/null' ||
	fail "written files or the drop-ins are not as they should be"
assert_manifest g
note "all files of the image are right"
end_guest g

restart_nginx web
start_hydroot_guest wrong "$IMAGES/boot/initramfs.img" "$absent" \
	"rd.hydroot.attach-timeout=8s rd.hydroot.onfail=poweroff rd.hydroot.report=$web/report?node=wrong \
	rd.hydroot.fallback=$web/debian.hri#sha256:$(printf '%064d' 1)"
boot_fails wrong "$GUEST_BOOT_SECONDS" 'fallback: attach: .*refused'
is_posted wrong failed || fail "the failure was not posted"
refute "the attachment of what was refused is posted" is_posted wrong attached
