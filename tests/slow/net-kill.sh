#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 420
# The network process is killed just before switch_root, and again and again afterwards; the first
# server has a wrong bit in one chunk.  The boot goes on, every file is right, and the console
# names the chunk that was refused.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
chunk=$(cat "$IMAGES/served/flipped.chunk")
start_nginx bad "$IMAGES/served/flipped"
start_nginx good "$IMAGES/served/good"

start_hydroot_guest g "$IMAGES/boot/initramfs-netkill.img" \
	"http://$GUEST_HOST:${nginx_port[bad]}/debian.hri" \
	"rd.hydroot.rate=500K rd.hydroot.server=http://$GUEST_HOST:${nginx_port[good]}/debian.hri"
wait_login g
note "login"
console_has g 'netkill: killed' || fail "the hook found no network process to kill"
wait_agent g
guest g 10 'cat >/run/kill.sh <<"END"
	n=0
	while [ $n -lt 15 ]; do
		for p in /proc/[0-9]*; do
			tr "\0" " " <$p/cmdline 2>/dev/null | grep -q "hydrootd" || continue
			grep -q "^Uid:.[1-9]" $p/status 2>/dev/null || continue
			kill -9 ${p#/proc/} && n=$((n + 1)) && echo $n >/run/killed
		done
		sleep 0.4
		[ -e /proc/1 ] || exit
	done
END
	setsid sh /run/kill.sh >/dev/null 2>&1 </dev/null &'
guest g 60 'tar cf - /usr/lib/python3* /usr/lib/git-core 2>/run/tar.errors | wc -c' >/dev/null
killed_often() { [ "$(guest g 10 'cat /run/killed')" -ge 5 ]; }
wait_for 100 "five deaths of the network process" killed_often
# So slow until here that a slow guest, too, has something left to fetch.
guest_hydroot g 10 'set root rate=3M'
refute "a read failed" guest g 5 'grep -i "input/output" /run/tar.errors'
wait_resident g 2
note "resident, the network process was killed $(guest g 5 'cat /run/killed') times more"
assert "it was killed at least 5 times" test "$(guest g 5 'cat /run/killed')" -ge 5

guest_hydroot g 10 'status root --json' >"$T/status"
assert "errors of the first server are counted" jq -e '.servers[0].errors > 0' "$T/status"
console_has g "chunk $chunk([^0-9]|\$)" || fail "the console does not name chunk $chunk"
assert_manifest g
note "all files of the image are right"
end_guest g
