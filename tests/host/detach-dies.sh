#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# sanitizers: none
# alone: the daemon tries for a second, and is to be killed in it
# The daemon is killed outright after it has agreed to a detach, with the memory not given back yet: detach gives it back.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
attach dies1 --fill=manual "$(nginx_url web test.hri)"
zram=$(status_key dies1 .store.device)
zram_diskseq=$(diskseq "$zram")

# Who has the device open keeps the daemon trying to remove it, for a moment.
tail -f /dev/null 3<"$zram" &
holder=$!
defer end_process $holder
pids=$(daemon_pids dies1)
hydroot detach dies1 >"$T/out" 2>&1 &
detaching=$!
defer end_process $detaching
# All at once, as soon as the device has gone: all of them are there then, or kill says so.
# shellcheck disable=SC2086 # several
killed_without_a_device() { [ ! -e /dev/hydroot/dies1 ] && kill -9 $pids; }
wait_for 10 "the device to go with the daemon still there" killed_without_a_device
end_process $holder
assert_equal "$zram, with nobody to remove it" "$zram_diskseq" "$(diskseq "$zram")"
note "waiting for detach to see that nobody is there"
code=0
wait $detaching || code=$?
assert_equal "exit code of detach" 0 $code
refute "$zram is left" test "$(diskseq "$zram")" = "$zram_diskseq"
refute "the run directory is left" test -e /run/hydroot/dies1
