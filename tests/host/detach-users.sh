#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: none
# Detach knows users that have no open file: a loop device over the device and a btrfs, whose mounts have a
# number of their own.  It refuses before anything is changed, with a daemon, after the handover, and in mode full.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd losetup zramctl
host_image
start_nginx web "$served"

is_whole() { dd if="$1" iflag=direct bs=1M status=none | cmp - "$raw"; }

refuses_loop() # NAME
{
	local loop
	attach_loop "/dev/hydroot/$1"
	expect_exit 1 hydroot detach "$1"
	assert_contains "the refusal of $1 names the loop device" "$1: in use: .*$loop" "$T/out"
	sleep 0.5
	is_whole "/dev/hydroot/$1" || fail "$1: the device is not what it was"
	is_whole "$loop" || fail "$1: $loop is not what it was"
	losetup --detach "$loop"
	expect_exit 0 hydroot detach "$1"
	refute "$1: the device is still there" test -e "/dev/hydroot/$1"
}

attach use1 "$(nginx_url web test.hri)"
refuses_loop use1

attach use2 --read-only "$(nginx_url web test.hri)"
expect_exit 0 hydroot wait use2 --timeout=60s
no_daemon() { [ -z "$(daemon_pids "$1")" ]; }
wait_for 10 "the daemon to exit" no_daemon use2
refuses_loop use2

attach use3 --mode=full "$(nginx_url web test.hri)"
wait_for 10 "the daemon to exit" no_daemon use3
refuses_loop use3

# SIGTERM is a request to detach, too, and the daemon alone has to see who is there.
attach use4 --fill=manual "$(nginx_url web test.hri)"
attach_loop "$device"
kill -TERM "$(keeper_pid use4)"
told() { grep -q "asked to end, but the device is in use: .*$loop" /run/hydroot/use4/log; }
wait_for 10 "the refusal in the log" told
is_whole "$loop" || fail "use4: $loop is not what it was"
losetup --detach "$loop"
expect_exit 0 hydroot detach use4

# Who has nothing but the memory open cannot keep the device, and keeps the memory: that is said.
attach use5 --fill=manual "$(nginx_url web test.hri)"
zram=$(status_key use5 .store.device)
exec 5<"$zram"
expect_exit 1 hydroot detach use5
exec 5<&-
assert_contains "what keeps the memory" "use5: $zram: somebody else has it open" "$T/out"
refute "use5: the device is still there" test -e /dev/hydroot/use5
zramctl --reset "$zram" || fail "$zram: the advice does not help"

# btrfs
grep -qw btrfs /proc/filesystems || modprobe btrfs 2>/dev/null || skip "this kernel has no btrfs"
requires mkfs.btrfs
truncate -s 128M "$T/btrfs.raw"
mkfs.btrfs -q -s 4096 "$T/btrfs.raw"
mkdir "$T/btrfs" "$T/mnt"
hydroot-image build "$T/btrfs.raw" "$T/btrfs/b.hri" >/dev/null
start_nginx btrfs "$T/btrfs"

refuses_mount() # NAME
{
	defer umount "$T/mnt"
	mount "/dev/hydroot/$1" "$T/mnt"
	expect_exit 1 hydroot detach "$1"
	assert_contains "the refusal of $1 names the mount point" "$1: in use: mounted on $T/mnt" "$T/out"
	seq 1000 >"$T/mnt/numbers" || fail "$1: the filesystem cannot be written any more"
	sync -f "$T/mnt"
	umount "$T/mnt"
	expect_exit 0 hydroot detach "$1"
}

attach use6 "$(nginx_url btrfs b.hri)"
refuses_mount use6
attach use7 --mode=full "$(nginx_url btrfs b.hri)"
wait_for 10 "the daemon to exit" no_daemon use7
refuses_mount use7
