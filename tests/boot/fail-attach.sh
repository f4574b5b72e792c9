#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# What ends a boot before there is a device: an image that the server does not have, a fallback that is not what its
# digest says, a kernel without FUSE.  The console says which it was, and onfail= has its turn.  Mode full needs
# no FUSE and boots all the same.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq cpio hydrootd
tests/image.sh all
start_nginx web "$IMAGES/served/good"
web=http://$GUEST_HOST:${nginx_port[web]}

start_hydroot_guest absent "$IMAGES/boot/initramfs.img" "$web/absent.hri" \
	"rd.hydroot.attach-timeout=5s rd.hydroot.onfail=poweroff \
	rd.hydroot.fallback=$web/debian.hri#sha256:$(printf '%064d' 1)"
wait_console absent "$GUEST_BOOT_SECONDS" 'hydroot: image: http://[^ ]*/absent\.hri: cannot be used: attach: .*no server answered in time: .*HTTP 404'
wait_console absent 30 'hydroot: fallback: trying http://[^ ]*/debian\.hri'
boot_fails absent 60 'fallback: attach: .*refused'

kernel=$(cat "$IMAGES/base/kernel")
module=$(cd "$IMAGES/base/tree/lib" && find "modules/$kernel" -name 'fuse.ko*')
[ -n "$module" ] || fail "fuse is no module of $kernel"
# An empty file in its place.
mkdir -p "$T/tree/usr/lib/$(dirname "$module")"
: >"$T/tree/usr/lib/${module%.xz}"
initramfs_with "$T/no-fuse.img" "$T/tree"
start_hydroot_guest nofuse "$T/no-fuse.img" "$web/debian.hri" "rd.hydroot.onfail=poweroff"
wait_console nofuse "$GUEST_BOOT_SECONDS" 'hydrootd: root: /dev/fuse: .*: mode hybrid needs FUSE: load the module fuse'
boot_fails nofuse 30 'attach: .*load the module fuse'

start_hydroot_guest full "$T/no-fuse.img" "$web/debian.hri" "rd.hydroot.mode=full"
wait_console full "$GUEST_BOOT_SECONDS" 'hydroot: root: /dev/hydroot/root is mounted'
note "no FUSE, mode full: mounted"
