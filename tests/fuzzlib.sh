# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzzlib.sh - sourced by the tests of tests/fuzz/, one for each target
#
# FUZZ_SECONDS (3) says how long.  The corpus in the tree is only read; what is found goes to
# build-fuzz/corpus/ and is where the next run starts.  An input that crashes is kept in
# build-fuzz/crashes/: make a test of it, and put it into tests/fuzz/corpus/.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A seed that is refused at once leads nowhere: one is taken at least, and all that were cut out of real images.
check_seeds() # TARGET PROGRAM
{
	FUZZ_SAY=1 "$2" "tests/fuzz/corpus/$1"/* >/dev/null 2>"$T/seeds" || { tail -n 60 "$T/seeds"; fail "$1: a seed"; }
	awk '/^Running: / { name = $2; sub(".*/", "", name); said = "refused" }
		/^accepted$/ { said = "accepted" }
		/^Executed / { print said, name }' "$T/seeds" >"$T/said"
	assert_equal "$1: seeds" "$(find "tests/fuzz/corpus/$1/" -type f | wc -l)" "$(wc -l <"$T/said")"
	assert_contains "$1: seeds" '^accepted ' "$T/said"
	refute "$1: a real seed is refused: $(xargs <"$T/said")" grep '^refused real' "$T/said"
	note "seeds: $(grep -c '^accepted' "$T/said") of $(wc -l <"$T/said") are accepted"
}

fuzz() # TARGET [OPTION...]
{
	local target=$1 program=build-fuzz/tests/fuzz/$1_fuzz
	local seconds=${FUZZ_SECONDS:-3}
	shift
	[ -x "$program" ] || skip "needs clang-14 and libFuzzer; see tests/setup.sh"
	check_seeds "$target" "$program"
	mkdir -p "build-fuzz/corpus/$target" build-fuzz/crashes
	# Nothing of ours needs more than twice what the largest chunk takes.
	"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 \
		-artifact_prefix="build-fuzz/crashes/$target-" -print_final_stats=1 -max_len=16384 \
		"$@" "build-fuzz/corpus/$target" "tests/fuzz/corpus/$target" \
		>"$T/fuzz.out" 2>&1 </dev/null ||
		{ tail -n 60 "$T/fuzz.out"; fail "$target: the input is in build-fuzz/crashes/"; }
	grep -E 'stat::(number_of_executed|average|peak)|^Done' "$T/fuzz.out" || true
}
