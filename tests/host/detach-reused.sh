#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# sanitizers: asan
# alone: takes the numbers of devices again that it has just given back
# The daemon has gone, its device was taken away by hand, and somebody else has got a device with that number, in use:
# detach leaves it alone and gives back what is left of the attachment.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd losetup mke2fs
host_image
start_nginx web "$served"
truncate -s 8M "$T/file"
mke2fs -q -t ext4 "$T/file"
mkdir "$T/mnt"

is_left_alone() # NAME DEVICE
{
	expect_exit 0 hydroot detach "$1"
	refute "$1: a name is left" test -e "/run/hydroot/$1" -o -L "/dev/hydroot/$1"
	assert_equal "$1: what is mounted" "$2" "$(findmnt -n -o SOURCE "$T/mnt")"
	umount "$T/mnt"
}

note "a loop device"
attach again1 --fill=manual "$(nginx_url web test.hri)"
loop=$(status_key again1 .block_device)
case $loop in /dev/loop*) ;; *) skip "the device is $loop here" ;; esac
zram=$(status_key again1 .store.device)
zram_diskseq=$(diskseq "$zram")
kill_daemons again1
is_free() { losetup --detach "$1" 2>/dev/null; ! losetup "$1"; }
wait_for 20 "$loop to be free" is_free "$loop"
losetup "$loop" "$T/file"
defer losetup --detach "$loop"
defer umount "$T/mnt"
mount "$loop" "$T/mnt"
is_left_alone again1 "$loop"
losetup --detach "$loop"
refute "$zram is left" test "$(diskseq "$zram")" = "$zram_diskseq"

note "a zram device"
attach again2 --mode=full "$(nginx_url web test.hri)"
no_daemon() { [ -z "$(daemon_pids again2)" ]; }
wait_for 10 "the daemon to exit" no_daemon
zram=$(status_key again2 .store.device)
assert_equal "the device" "$zram" "$(readlink -f "$device")"
id=${zram#/dev/zram}
remove_zram() { echo 1 >"/sys/block/zram$1/reset" && echo "$1" >/sys/class/zram-control/hot_remove; }
remove_zram "$id"
assert_equal "the id that is given again" "$id" "$(cat /sys/class/zram-control/hot_add)"
defer remove_zram "$id"
foreign=$(diskseq "$zram")
echo 8M >"/sys/block/zram$id/disksize"
wait_for 5 "$zram" test -b "$zram"
mke2fs -q -t ext4 "$zram"
mount "$zram" "$T/mnt"
is_left_alone again2 "$zram"
assert_equal "$zram, which is somebody else's" "$foreign" "$(diskseq "$zram")"
