#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 420
# Mode full: the root is mounted when all of it is in memory; the server can go away before anything of the
# image has run.  In a guest too small for it the boot says both numbers.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
start_nginx web "$IMAGES/served/good"
url=http://$GUEST_HOST:${nginx_port[web]}/debian.hri

start_hydroot_guest full "$IMAGES/boot/initramfs.img" "$url" 'rd.hydroot.mode=full rd.hydroot.rate=15M panic=-1'
wait_console full "$GUEST_BOOT_SECONDS" 'resident after [0-9.]+ s: server and daemon'
stop_nginx web
note "resident, server stopped"
# At that rate it has taken 9 s at least, and there is a line each 5 s.
progress='hydroot: fill: [0-9]+% of 2048 MiB'
console_has full "$progress" || fail "the console does not say how far the fill is"
note "the console said: $(tr -d '\r' <"$T/full.console" | grep -aoE "$progress.*" | tail -n 1)"
wait_login full
note "login"
wait_agent full
assert_equal "state and mode" "resident full dm" \
	"$(guest_status full '"\(.state) \(.mode) \(.handover.method)"')"
assert_root_is_plain full
assert_manifest full
note "all files of the image are right"
end_guest full

restart_nginx web
GUEST_MEMORY=320
start_hydroot_guest small "$IMAGES/boot/initramfs.img" "$url" \
	'rd.hydroot.mode=full rd.hydroot.low-memory=fail rd.hydroot.onfail=poweroff'
boot_fails small "$GUEST_BOOT_SECONDS" \
	'attach: .*memory: the image needs about [0-9]+ MiB, [0-9]+ MiB are available and [0-9]+ MiB of them'
