#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# With fill=boot nothing is filled before the boot is said to be complete, or somebody resumes the fill.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

# The initramfs's watcher says so by a file.
say_booted() { : >"/run/hydroot/$1/booted"; }
for how in 'hydroot trace --end' 'hydroot resume' say_booted; do
	note "$how"
	attach fbt --fill=boot "$(nginx_url web test.hri)"
	assert_equal "state" paused "$(status_key fbt .state)"
	status_key fbt .reason >"$T/reason"
	assert_contains "reason" 'waits for the end of the boot: hydroot trace --end' "$T/reason"
	dd if="$device" iflag=direct bs=4096 count=1 status=none of=/dev/null
	sleep 1
	assert_equal "bytes filled" 0 "$(status_key fbt .fetched.fill_bytes)"
	# shellcheck disable=SC2086 # two words
	$how fbt
	goes_on() { ! status_is fbt .state paused; }
	wait_for 10 "the fill to begin" goes_on
	expect_exit 0 hydroot wait fbt --for=resident --timeout=60s
	hydroot detach fbt
done

# A trace that has all of the boot says nothing of itself; one that the handover cut off says so.
for ended in mark handover; do
	note "a trace that ends by $ended"
	attach fbt --read-only --fill=boot "$(nginx_url web test.hri)"
	dd if="$device" iflag=direct bs=4096 count=1 status=none of=/dev/null
	hydroot trace fbt >"$T/trace" 2>"$T/said" || fail "trace: exit code $?"
	assert_equal "said while it is recorded" '' "$(cat "$T/said")"
	# Either of them starts the fill.
	if [ $ended = mark ]; then hydroot trace --end fbt; else hydroot resume fbt; fi
	expect_exit 0 hydroot wait fbt --for=resident --timeout=60s
	wait_for 10 "the handover" status_is fbt .handover.done true
	hydroot trace fbt >"$T/trace" 2>"$T/said" || fail "trace: exit code $?"
	assert_contains "the trace" '^[0-9]+ [0-9]+$' "$T/trace"
	assert_equal "why it ended" $ended "$(status_key fbt .trace.ended)"
	if [ $ended = mark ]; then
		assert_equal "said of a complete trace" '' "$(cat "$T/said")"
	else
		assert_contains "the trace is not complete" \
			'^hydroot: fbt: trace: it ended at the handover, .*fill=boot or fill=manual$' "$T/said"
	fi
	hydroot detach fbt
done

note "a boot that nobody waits for"
attach fbt --fill=manual "$(nginx_url web test.hri)"
dd if="$device" iflag=direct bs=4096 count=1 status=none of=/dev/null
say_booted fbt
sleep 2.5
assert_equal "the trace has not ended" null "$(status_key fbt .trace.ended)"
