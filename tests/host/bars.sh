#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 120
# On a terminal attach and wait show a bar on standard error when they take longer than a second, which goes before
# the result is printed; off a terminal there is none.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd script
host_image
start_nginx web "$served"

# on_terminal FILE COMMAND: what comes to a terminal of 100 columns, the exit code is the command's
on_terminal() { script -qec "stty cols 100; $2" /dev/null >"$1" </dev/null; }
clear=$(printf '\r\033\\[K')

defer end_attachment bar1
on_terminal "$T/attach" "hydroot attach --name=bar1 --mode=full --rate=20M $(nginx_url web test.hri)" ||
	{ cat "$T/attach"; fail "attach on a terminal"; }
assert_contains "a bar of attach" "bar1 \[#+\.*\] +[0-9]+%  [0-9]+ of 192 MiB" "$T/attach"
assert_contains "a message clears the bar" "${clear}hydrootd: bar1: " "$T/attach"
assert_contains "the path at the end" '^(.*\[K)?/dev/hydroot/bar1' "$T/attach"
expect_exit 0 hydroot detach bar1

attach bar1 --rate=20M --read-only "$(nginx_url web test.hri)" >"$T/off" 2>&1
refute "escapes off a terminal" grep -q $'\033' "$T/off"
on_terminal "$T/wait" "hydroot wait bar1 --timeout=60s" || { cat "$T/wait"; fail "wait on a terminal"; }
assert_contains "a bar of wait" "bar1 \[#*\.*\] +[0-9]+%  [0-9]+ of 192 MiB" "$T/wait"
expect_exit 0 hydroot wait bar1
assert_equal "output of a wait off a terminal" 0 "$(stat -c %s "$T/out")"

# What an attach waits for is in the line, too.
code=0
on_terminal "$T/absent" "hydroot attach --name=bar2 --attach-timeout=3s http://127.0.0.1:1/x.hri" || code=$?
defer end_attachment bar2
assert_equal "exit code of an attach that fails" 1 $code
assert_contains "what it waits for" "${clear}bar2: attaching, http://127.0.0.1:1/x.hri" "$T/absent"
