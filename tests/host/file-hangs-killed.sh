#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: none
# The network process is killed while it reads a file whose filesystem hangs, and the kernel keeps the dead one until that filesystem
# answers: another takes its place meanwhile, the file is a server that does not answer, and reads go on from the next one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/hangs.sh
. "$(dirname "$0")/../hangs.sh"
requires root fuse loop zram nginx jq hydrootd hangfs
host_image

mkdir "$T/mnt"
ln -s "$image" "$T/image"
hangfs "$T/image" "$T/mnt" -f -o allow_other,attr_timeout=0,entry_timeout=0 >"$T/hangfs.out" 2>&1 &
evidence+=("$T/hangfs.out")
defer end_process $!
defer umount -l "$T/mnt"
defer rm -f "$T/image.hangs"
wait_for 10 "the filesystem" test -f "$T/mnt/image"

start_nginx web "$served"
attach stuck1 --fill=manual --store=memory --timeout=2s --server="$(nginx_url web test.hri)" "file://$T/mnt/image"
data_offsets 60 7 >"$T/offsets"
blocks_are_right 1 10
assert_equal "requests by HTTP while the file answers" 0 "$(nginx_bytes "$(nginx_log web)")"
assert_equal "errors of the file" 0 "$(status_key stuck1 '.servers[0].errors')"

net_may_die=yes
keeper=$(keeper_pid stuck1)
net=$(net_pid stuck1)
touch "$T/image.hangs"
blocks_are_right 11 11 &
reader=$!
wait_for 20 "a read of the file" test -s "$T/image.hangs"
kill -9 "$net"
note "killed while it waits for the file"
sleep 0.5
assert "the dead one is still there" test -d "/proc/$net"

# With a limit: without another network process these never return.
has_read() { ! kill -0 "$1"; }
wait_for 60 "the read that was under way" has_read "$reader"
wait "$reader"
blocks_are_right 12 40 &
reader=$!
wait_for 60 "reads from the other server" has_read "$reader"
wait "$reader"
assert "the dead one is still there" test -d "/proc/$net"
assert "bytes came by HTTP" test "$(nginx_bytes "$(nginx_log web)")" -gt 0
assert "errors of the file" test "$(status_key stuck1 '.servers[0].errors')" -gt 0
assert_contains "what is said" 'network process: killed, and still waits for a file' <(daemon_log stuck1)

note "the same when the serving process dies with it"
net=$(net_pid stuck1)
assert "the second one waits for the file" test "$(wc -c <"$T/image.hangs")" -gt 1
kill_serve "$keeper"
blocks_are_right 41 60 &
reader=$!
wait_for 60 "reads from the other server" has_read "$reader"
wait "$reader"
assert "the second dead one is still there" test -d "/proc/$net"

note "it answers again"
rm "$T/image.hangs"
are_gone() { [ "$(pgrep -P "$keeper" | wc -l)" = 2 ]; }
wait_for 20 "the end of the dead ones" are_gone
stop_nginx web
expect_exit 0 hydroot resume stuck1
expect_exit 0 hydroot wait stuck1 --for=resident --timeout=60s
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
