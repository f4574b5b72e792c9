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
for command in attach status wait pause resume set trace report detach copy-tree; do
	expect_exit 0 hydroot "$command" --help
	assert_contains "help of $command" "^Usage: hydroot $command" "$T/out"
	head -n 1 "$T/out" >>"$T/usages"
done

# Every option of a usage is in the page, and the other way round; --help is told apart there.
grep -oE -- '--[a-zA-Z-]+' "$T/usages" | sed 's/^--//' | grep -vx KEY | sort -u >"$T/in-usages"
sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' fuse-root/hydroot.8 | grep -oE 'Fl -[a-z-]+' |
	sed 's/^Fl -//' | grep -vxE 'help|version' | sort -u >"$T/in-page"
grep -qx metrics "$T/in-usages" || fail "no options in the usages"
diff "$T/in-usages" "$T/in-page" || fail "options of --help (<) and of hydroot.8 (>) are not the same"

expect_exit 2 hydroot
expect_exit 2 hydroot no-such-command
expect_exit 2 hydroot set
assert_contains "set" '^hydroot: KEY=VALUE: missing' "$T/out"
expect_exit 2 hydroot set name
expect_exit 2 hydroot set ../etc rate=1
expect_exit 2 hydroot set rate=fast
assert_contains "rate" '^hydroot: rate=fast: wrong value: accepted: bytes per second like' "$T/out"
expect_exit 2 hydroot set root mode=full
assert_contains "mode" '^hydroot: mode=full: wrong value: accepted: stream, hybrid' "$T/out"
expect_exit 2 hydroot set rate=1 digest=sha256:00
assert_contains "digest" 'not KEY=VALUE of a key that can be set: mode, rate, cache' "$T/out"
expect_exit 2 hydroot set server=ftp://h/i.hri
assert_contains "server" '^hydroot: server=ftp://h/i.hri: wrong value: accepted: http://HOST/PATH' "$T/out"
expect_exit 2 hydroot set server=-nonsense
expect_exit 1 hydroot set server=-http://h/i.hri
expect_exit 1 hydroot set server=http://h/i.hri
expect_exit 1 hydroot set reserve=0
expect_exit 1 hydroot set rate=1
assert_contains "set" '^hydroot: root: no such attachment' "$T/out"
expect_exit 2 hydroot report
assert_contains "report" '^hydroot: report: --svg or --html' "$T/out"
expect_exit 2 hydroot report --svg --html
expect_exit 1 hydroot report --svg
expect_exit 2 hydroot attach
expect_exit 2 hydroot status --no-such-option
expect_exit 2 hydroot status one two
expect_exit 2 hydroot status --json --metrics
expect_exit 2 hydroot status --json --output="$T/x"
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
# trace_says ENDED PATTERN: with that in the status that was left it is printed whole, and that said, or nothing.
trace_says()
{
	jq -n --argjson ended "$1" '{schema: 1, name: "t", trace: {blocks: 9, ended: $ended}}' >"$T/run/t/status.json"
	hydroot trace t >"$T/printed" 2>"$T/said" || fail "trace that ended by $1: exit code $?"
	assert "the trace is printed whole" cmp "$T/printed" "$T/run/t/trace"
	if [ -n "$2" ]; then
		assert_contains "ended by $1" "^hydroot: t: trace: $2" "$T/said"
	else
		assert_equal "said of a trace that ended by $1" '' "$(cat "$T/said")"
	fi
}
trace_says '"mark"' ''
trace_says '"handover"' 'it ended at the handover, .*: record with fill=boot or fill=manual$'
trace_says '"full"' 'it was full before the boot was said to be complete'
trace_says null 'the daemon went before the boot was said to be complete'

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
# On a terminal it is drawn in place: from the top, every line cleared to its end, no more than fit.
if command -v script >/dev/null; then
	script -qec "stty rows 5 cols 30; hydroot status a --watch" /dev/null >"$T/screen" </dev/null
	assert "it starts at the top" grep -qF $'\e[H' "$T/screen"
	assert "the rest is cleared" grep -qF $'\e[J' "$T/screen"
	assert_equal "lines on a screen of 5" 4 "$(grep -cF $'\e[K' "$T/screen")"
	refute "lines are longer than the screen" \
		grep -qE '^.{31,}' <(sed 's/\x1b\[[0-9]*[A-Z]//g; s/\r//' "$T/screen")
fi
expect_exit 0 hydroot wait a
expect_exit 1 hydroot pause a
assert_contains "pause" 'the daemon is gone' "$T/out"
expect_exit 1 hydroot set a rate=1M
assert_contains "set" '^hydroot: a: set: the daemon is gone' "$T/out"
expect_exit 1 hydroot report a --svg
assert_contains "report" '^hydroot: a: report: no daemon answers, and it left none' "$T/out"
expect_exit 0 hydroot status a --watch
assert_equal "lines of a watch that is over" 1 "$(wc -l <"$T/out")"
assert_contains "line" '^a: resident, 100%' "$T/out"
expect_exit 0 hydroot status a --watch --json
assert_equal "objects of a watch that is over" resident "$(jq -r .state "$T/out")"

leave hybrid failed null
expect_exit 4 hydroot wait a
assert_contains "reason" 'a: it broke' "$T/out"
expect_exit 4 hydroot wait a --for=ready

leave stream streaming 1
expect_exit 4 hydroot wait a

# Ready once, but nobody is there any more.
leave hybrid filling 1
expect_exit 3 hydroot wait a --timeout=100ms
expect_exit 3 hydroot wait a --for=ready --timeout=100ms
expect_exit 4 hydroot wait a --for=ready --timeout=60s
assert_contains "wait for the dead" '^hydroot: a: the daemon is gone' "$T/out"
expect_exit 0 hydroot status a --json
assert_equal "state of the dead" failed "$(jq -r .state "$T/out")"
assert_contains "error of the dead" 'the daemon is gone without a last word: .*: it broke' <(jq -r .error "$T/out")

# Half a file is no status; names that nothing stands behind can still be cleared away.
echo '{"schema":' >"$T/run/a/status.json"
expect_exit 1 hydroot status a
expect_exit 0 hydroot detach a
refute "the run directory is still there" test -e "$T/run/a"
expect_exit 1 hydroot detach a
