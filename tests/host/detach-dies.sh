#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# sanitizers: none
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
hydroot detach dies1 >"$T/out" 2>&1 &
detaching=$!
defer end_process $detaching
device_is_gone() { [ ! -e /dev/hydroot/dies1 ]; }
wait_for 10 "the device to go" device_is_gone
assert "the daemon is still there" test -n "$(daemon_pids dies1)"
kill_daemons dies1
end_process $holder
assert_equal "$zram, with nobody to remove it" "$zram_diskseq" "$(diskseq "$zram")"
note "waiting for detach to see that nobody is there"
code=0
wait $detaching || code=$?
assert_equal "exit code of detach" 0 $code
refute "$zram is left" test "$(diskseq "$zram")" = "$zram_diskseq"
refute "the run directory is left" test -e /run/hydroot/dies1
