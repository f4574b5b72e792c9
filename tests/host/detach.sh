#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# sanitizers: asan
# Detach refuses while somebody uses the device, says who, and otherwise frees everything.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach det1 --fill=manual "$(nginx_url web test.hri)"
zram=$(basename "$(status_key det1 .store.device)")
assert "the store is a zram device" test -d "/sys/block/$zram"
loop=$(basename "$(status_key det1 .block_device)")
zram_diskseq=$(diskseq "$zram") loop_diskseq=$(diskseq "$loop")
mkdir "$T/mnt"
defer umount "$T/mnt"
mount "$device" "$T/mnt"
expect_exit 1 hydroot detach det1
assert_contains "the refusal names the mount point" "$T/mnt" "$T/out"
umount "$T/mnt"

tail -f /dev/null 3<"$device" &
holder=$!
defer end_process $holder
expect_exit 1 hydroot detach det1
assert_contains "the refusal names the process" "(^|[^0-9])$holder([^0-9]|$)" "$T/out"
end_process $holder

expect_exit 0 hydroot detach det1
refute "the device is still there" test -e "$device"
refute "$zram is still there" test "$(diskseq "$zram")" = "$zram_diskseq"
assert_equal "processes left" '' "$(daemon_pids det1)"
# Without a file it has a new one.
refute "$loop is still in use" test "$(diskseq "$loop")" = "$loop_diskseq"
expect_exit 1 hydroot detach det1
