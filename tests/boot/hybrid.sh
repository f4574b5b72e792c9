#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 420
# alone: what it looks for happens at certain times of the boot
# The life of a root: login while most of the image is still on the server, resident by itself with
# files being written and read, then the server goes away for good.  What is left is a
# plain disk in RAM with nothing missing, and its filesystem is clean.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
image_bytes=$(cat "$IMAGES/served/bytes")
start_nginx web "$IMAGES/served/good"

start_hydroot_guest g "$IMAGES/boot/initramfs.img" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri" \
	rd.hydroot.rate=500K
wait_login g
# By hydroot-progress.service, at its start and each 10 s until the boot is complete.
progress='hydroot: fill: [0-9]+% of 2048 MiB(, [0-9]+ [KM]iB/s)?(, [0-9]+ s left)?$'
console_has g "$progress" || fail "the console does not say how far the fill is"
console_has g 'image: not authenticated: .*set digest= or public-key=' || fail "the console does not say that anybody could have made the image"
at_login=$(nginx_bytes "$(nginx_log web)")
note "login, $((at_login / 1000000)) of $((image_bytes / 1000000)) MB fetched"
assert_below "bytes fetched at login" $((image_bytes * 45 / 100)) "$at_login"

wait_agent g
assert_equal "state after login" filling "$(guest_status g .state)"
# So slow until here that a slow guest, too, is not resident before its login.
guest_hydroot g 10 'set root rate=2M'
guest g 20 'head -c 3000000 /dev/urandom >/var/tmp/before && sha256sum /var/tmp/before >/run/before.sums'
start_workload g
wait_resident g 2
note "resident, $(workload_files g) files written meanwhile"
assert_equal "handover.method" dm "$(guest_status g .handover.method)"
during=$(workload_files g)

stop_nginx web
sleep 2
assert "the workload goes on" test "$(workload_files g)" -gt "$during"
stop_workload g
gone() { (assert_root_is_plain g); }
wait_for 10 "hydroot to be gone" gone
assert_equal "state, told by what the daemon left" resident "$(guest_status g .state)"
note "server stopped; nothing of hydroot is left"
assert_manifest g
note "all files of the image are right"
guest g 20 'cp /var/tmp/before /var/tmp/after && sha256sum -c /run/before.sums' >/dev/null ||
	fail "the file written before differs"
assert_workload g
guest g 20 'cmp /var/tmp/before /var/tmp/after' || fail "the file written after differs"
note "all written files are right"

assert_root_is_clean g
note "e2fsck finds nothing"
assert_no_io_errors g
guest g 2 'echo o >/proc/sysrq-trigger' || true
wait_guest_end g 30
