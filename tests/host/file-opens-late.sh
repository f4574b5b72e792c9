#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: asan
# The image lies in a file whose filesystem hangs already when it is attached, as NFS does when its server is away: attach neither
# waits for that file nor hangs with it, and the file is used when it can be opened.  The filesystem here is one of ours.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/hangs.sh
. "$(dirname "$0")/../hangs.sh"
requires root fuse loop zram nginx jq hydrootd mke2fs
host_image

start_nginx web "$served"
mount_hanging late0
url=file://$T/mnt/test.hri

# Nothing of the folder has been read yet, so looking into it has to ask the server.
stop_nginx outer
stat "$T/mnt/test.hri" >/dev/null &
looker=$!
sleep 0.5
assert "the filesystem hangs" kill -0 "$looker"

# gives_up SECONDS OPTION...: attach fails by then.  Beside the test, which else could not end either when attach hangs.
gives_up()
{
	local pid code=0 limit=$1
	shift
	hydroot attach --name=late1 --store=memory "$@" "$url" >"$T/out" 2>&1 &
	pid=$!
	has_ended() { ! kill -0 "$pid"; }
	wait_for "$limit" "the end of attach" has_ended
	wait $pid || code=$?
	assert_equal "the exit code of attach" 1 "$code"
}

note "it is the only server"
gives_up 8 --timeout=1s --attach-timeout=4s
assert_contains "what attach says" "no server answered in time: $url: the file has not been opened for [0-9]+ ms" "$T/out"
gives_up 7 --attach-timeout=3s
assert_contains "what attach says before the server's time is over" "no server answered in time: $url\$" "$T/out"

note "another server has the image, too"
start_ms=$(now_ms)
attach late2 --fill=manual --store=memory --timeout=1s --server="$(nginx_url web test.hri)" "$url"
assert_below "milliseconds until the device is there" $((8000 * ${HYDROOT_SLOWER:-1})) $(($(now_ms) - start_ms))
data_offsets 40 7 >"$T/offsets"
blocks_are_right 1 10
assert_equal "network processes replaced" 0 "$(status_key late2 .net_restarts)"
assert "the file's server fails" test "$(status_key late2 '.servers[0].errors')" -gt 0

note "the network process is replaced while it hangs"
# shellcheck disable=SC2034 # for check_net_restarts
net_may_die=yes
kill -9 "$(net_pid late2)"
blocks_are_right 11 20
expect_exit 0 hydroot set late2 server="$(nginx_url web 'test.hri?other')"
blocks_are_right 21 30

note "it answers"
answers
wait "$looker"
stop_nginx web
blocks_are_right 31 40
assert_equal "the file's server" ok "$(status_key late2 '.servers[0].state')"
expect_exit 0 hydroot resume late2
expect_exit 0 hydroot wait late2 --for=resident --timeout=60s
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"

note "nothing of those that gave up is left"
no_process() { [ -z "$(daemon_pids late1)" ]; }
wait_for 10 "the end of what was to open the file" no_process

# In this order, each when nobody has the one before any more.
expect_exit 0 hydroot detach late2
wait_for 10 "the end of who has the file open" umount "$T/mnt"
expect_exit 0 hydroot detach late0
