#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# The serving process of a running root is killed 20 times while files are written and read and the image is
# filled, and once more while the root is suspended for the handover: no I/O fails, every file is
# right, the handover is finished, the filesystem is clean.  With `newer` in its name: on Linux 6.12.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
initramfs=$IMAGES/boot/initramfs.img
case $0 in
*newer*)
	tests/image.sh newer
	initramfs=$IMAGES/newer/initramfs.img GUEST_KERNEL=$IMAGES/newer/vmlinuz
	;;
*) tests/image.sh all ;;
esac
start_nginx web "$IMAGES/served/good"

start_hydroot_guest g "$initramfs" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri" \
	"rd.hydroot.rate=100K rd.hydroot.fill=manual rd.hydroot.kernel-check=warn"
wait_login g
wait_agent g
note "login, $(guest g 5 'uname -r')"
start_workload g
guest_hydroot g 40 'resume root' || fail "the fill does not start"
# Of the keeper's children the serving process is root's.  Without a process for each look: the guest is slow.
guest g 30 'for p in $(cat /run/hydroot-test/pids); do
		[ -z "$(cat /proc/$p/task/$p/children)" ] || echo keeper=$p >/run/serve.sh
	done
	cat >>/run/serve.sh <<"END"
	serve=
	read -r children </proc/$keeper/task/$keeper/children
	for p in $children; do
		while read -r key uid rest; do
			[ "$key $uid" != "Uid: 0" ] || serve=$p
		done </proc/$p/status
	done 2>/dev/null
END
	cat >/run/kill.sh <<"END"
	n=0
	while [ $n -lt 20 ]; do
		. /run/serve.sh
		[ -z "$serve" ] || { kill -9 $serve && n=$((n + 1)) && echo $n >/run/killed; }
		sleep 0.4
	done
	. /run/serve.sh
	until [ -n "$serve" ]; do . /run/serve.sh; done
	touch /run/watching
	io kill-when /sys/block/dm-0/dm/suspended 1 $serve && touch /run/killed-suspended
END
	setsid sh /run/kill.sh >/run/kill.log 2>&1 </dev/null &'
guest g 60 'tar cf - /usr/lib/python3* /usr/lib/git-core 2>/run/tar.errors | wc -c' >/dev/null
refute "a read failed" guest g 5 'grep -i "input/output" /run/tar.errors'
watching() { guest g 10 'test -e /run/watching'; }
wait_for 400 "20 kills" watching
note "killed it $(guest g 5 'cat /run/killed') times; $(guest_status g .restarts.serve) restarts, $(
	guest_status g .resident.chunks) of $(guest_status g .image.chunks) chunks"
refute "it was resident before the last kill" guest_status_is g .state resident
guest_hydroot g 60 'set root rate=0' || fail "the rate cannot be set"
wait_resident g
assert_equal "handover.method" dm "$(guest_status g .handover.method)"
gone() { (assert_root_is_plain g); }
wait_for 30 "hydroot to be gone" gone
guest g 5 'cat /run/hydroot/root/log' >"$T/log"
in_flight=$(sed -n 's/.*took over: \([0-9]*\) requests.*/\1/p' "$T/log" | paste -sd+ | bc)
note "resident, $in_flight requests were under way at the kills; $(workload_files g) files written"
assert "it was killed while the root was suspended" guest g 5 'test -e /run/killed-suspended'
stop_nginx web
stop_workload g
assert_manifest g
assert_workload g
note "all files of the image and all written files are right"

assert_root_is_clean g
note "e2fsck finds nothing"
assert_no_io_errors g
guest g 2 'echo o >/proc/sysrq-trigger' || true
wait_guest_end g 30
