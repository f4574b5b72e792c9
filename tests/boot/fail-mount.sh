#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# The server goes away when the device is ready and the root not mounted yet.  The mount does not hang: its reads fail
# when attach-timeout is over, the console says so, and the fallback boots.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq cpio hydrootd
tests/image.sh all
start_nginx first "$IMAGES/served/good"
start_nginx second "$IMAGES/served/good"
first=http://$GUEST_HOST:${nginx_port[first]}/debian.hri
second=http://$GUEST_HOST:${nginx_port[second]}/debian.hri
digest=$(hydroot-image info --json "$IMAGES/served/good/debian.hri" | jq -r .digest)

# hr_report is called between the attach and the mount; it waits there, the first time, for the server to be gone.
mkdir -p "$T/tree/usr/lib/hydroot/hooks"
cat >"$T/tree/usr/lib/hydroot/hooks/50-gap" <<END
hr_report()
{
	[ "\$1" = attached ] && [ -z "\$gap_was" ] || return 0
	gap_was=1
	echo 'gap: between attach and mount' >/dev/console
	while nc -w 1 $GUEST_HOST ${nginx_port[first]} </dev/null >/dev/null 2>&1; do sleep 1; done
	echo 'gap: the server is gone' >/dev/console
}
END
initramfs_with "$T/gap.img" "$T/tree"
start_hydroot_guest g "$T/gap.img" "$first" \
	"rd.hydroot.fill=manual rd.hydroot.attach-timeout=30s rd.hydroot.fallback=$second#$digest"
wait_console g "$GUEST_BOOT_SECONDS" 'gap: between attach and mount'
stop_nginx first
wait_console g 30 'gap: the server is gone'
wait_console g 90 'hydroot: image: .*: cannot be used: root: /dev/hydroot/root: (cannot be read|mount as ext4)'
wait_console g 10 'hydroot: fallback: trying '
console_has g 'failed with EIO: no root is mounted, and attach-timeout is over' || fail "the daemon did not say why"
wait_console g 60 'hydroot: root: /dev/hydroot/root is mounted'
note "mounted from the fallback"

# What failed before must not fail now that there is a root: the limit has passed again, and reads wait.
wait_login g
wait_agent g
ready=$(guest_status g '.seconds.ready | floor')
is_over() { [ "$(guest g 20 'cut -d. -f1 /proc/uptime')" -gt $((ready + 31)) ]; }
wait_for 60 "attach-timeout to be over" is_over
stop_nginx second
guest g 20 'cat >/run/reader.sh <<"END"
	cat /usr/lib/git-core/git /usr/bin/python3* >/dev/null 2>/run/reader.errors
	echo $? >/run/reader.status
END
	setsid sh /run/reader.sh >/dev/null 2>&1 </dev/null &'
waits() { [ "$(guest_status g .demand.waiting)" -gt 0 ]; }
wait_for 30 "a read to wait" waits
sleep 5
refute "a read failed" guest g 20 'test -e /run/reader.status'
restart_nginx second
guest g 60 'until test -e /run/reader.status; do sleep 0.2; done'
assert_equal "the reads after the server's return" "0 " "$(guest g 20 'cat /run/reader.status /run/reader.errors' | tr '\n' ' ')"
note "with a root reads wait"
assert_equal "reads that failed" 0 "$(guest_status g .demand.reads_timed_out)"
