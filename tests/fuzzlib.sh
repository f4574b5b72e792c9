# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzzlib.sh - sourced by the tests of tests/fuzz/, one for each target
#
# FUZZ_SECONDS (3) says how long.  The corpus in the tree is only read; what is found goes to
# build-fuzz/corpus/ and is where the next run starts.  An input that crashes is kept in
# build-fuzz/crashes/: make a test of it, and put it into tests/fuzz/corpus/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fuzz() # TARGET [OPTION...]
{
	local target=$1 program=build-fuzz/tests/fuzz/$1_fuzz
	local seconds=${FUZZ_SECONDS:-3}
	shift
	[ -x "$program" ] || skip "needs clang-14 and libFuzzer; see tests/setup.sh"
	mkdir -p "build-fuzz/corpus/$target" build-fuzz/crashes
	# Nothing of ours needs more than twice what the largest chunk takes.
	"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 \
		-artifact_prefix="build-fuzz/crashes/$target-" -print_final_stats=1 -max_len=16384 \
		"$@" "build-fuzz/corpus/$target" "tests/fuzz/corpus/$target" \
		>"$T/fuzz.out" 2>&1 </dev/null ||
		{ tail -n 60 "$T/fuzz.out"; fail "$target: the input is in build-fuzz/crashes/"; }
	grep -E 'stat::(number_of_executed|average|peak)|^Done' "$T/fuzz.out" || true
}
