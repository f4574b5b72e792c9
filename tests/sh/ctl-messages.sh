#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot without a daemon: exit codes, messages, and what a daemon that ended left behind
. "$(dirname "$0")/../lib.sh"
requires jq

export HYDROOT_RUN_DIR=$T/run

expect_exit 0 hydroot --help
assert_contains "help" '^Usage: hydroot COMMAND' "$T/out"
expect_exit 0 hydroot --version
assert_contains "version" '^hydroot [0-9]' "$T/out"
for command in attach status wait pause resume trace detach; do
	expect_exit 0 hydroot "$command" --help
	assert_contains "help of $command" "^Usage: hydroot $command" "$T/out"
done

expect_exit 2 hydroot
expect_exit 2 hydroot no-such-command
for command in set report; do
	expect_exit 2 hydroot "$command"
	assert_contains "$command" "^hydroot: $command: not supported by this version" "$T/out"
done
expect_exit 2 hydroot attach
expect_exit 2 hydroot status --no-such-option
expect_exit 2 hydroot status one two
expect_exit 2 hydroot status ../etc
expect_exit 2 hydroot wait --for=never
expect_exit 2 hydroot wait --timeout=soon
for command in status wait pause resume trace detach; do
	expect_exit 1 hydroot "$command"
	assert_contains "$command" '^hydroot: root: no such attachment' "$T/out"
done

# The trace of a daemon that has gone, and of one that left none.
mkdir -p "$T/run/t"
expect_exit 1 hydroot trace t
assert_contains "no trace" '^hydroot: t: trace: no daemon answers, and it left none' "$T/out"
expect_exit 0 hydroot trace --end t
seq 30000 >"$T/run/t/trace"
expect_exit 0 hydroot trace t
assert "the trace is printed whole" cmp "$T/out" "$T/run/t/trace"

# What a daemon left: $1 mode, $2 state, $3 seconds.ready
leave()
{
	mkdir -p "$T/run/a"
	jq -n --arg mode "$1" --arg state "$2" --argjson ready "$3" '{schema: 1, name: "a",
		mode: $mode, state: $state, error: "it broke", warnings: ["odd\u001b[2J"],
		image: {url: "http://h/i.hri", bytes: 1048576, chunks: 2}, resident: {chunks: 2},
		servers: [], seconds: {ready: $ready}}' >"$T/run/a/status.json"
}

leave hybrid resident 1.5
expect_exit 0 hydroot status a
assert_contains "status" '^a: resident' "$T/out"
refute "control characters are shown" grep -q $'\e' "$T/out"
expect_exit 0 hydroot status a --json
assert_equal "state" resident "$(jq -r .state "$T/out")"
expect_exit 0 hydroot status a --watch
expect_exit 0 hydroot wait a
expect_exit 1 hydroot pause a
assert_contains "pause" 'the daemon is gone' "$T/out"

leave hybrid failed null
expect_exit 4 hydroot wait a
assert_contains "reason" 'a: it broke' "$T/out"
expect_exit 4 hydroot wait a --for=ready

leave stream streaming 1
expect_exit 0 hydroot wait a --for=ready
expect_exit 4 hydroot wait a

leave hybrid filling 1
expect_exit 3 hydroot wait a --timeout=100ms

# Half a file is no status; names that nothing stands behind can still be cleared away.
echo '{"schema":' >"$T/run/a/status.json"
expect_exit 1 hydroot status a
expect_exit 0 hydroot detach a
refute "the run directory is still there" test -e "$T/run/a"
expect_exit 1 hydroot detach a
