#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - runs tests, each with a time limit, and prints one line for each
#
#	tests/run.sh [-j N] TEST...
#
# A test is a program: exit code 0 passed, 77 skipped (its last line of output says why),
# anything else failed, and then its output is shown.  A shell test may say how long it may take:
# "# timeout: SECONDS".  The last line is `N passed, N failed, N skipped`, and the exit code is 1
# when one failed.  Within a longer check HYDROOT_RESULTS names a file that collects the results;
# then the caller prints that line.  V=1 shows the output of all tests.  HYDROOT_LABEL is put before names (asan, tsan).

set -u
cd "$(dirname "$0")/.." || exit 1

# What one test mounts is not in the mount namespace that another makes meanwhile: there it would stay mounted.
own_mounts=()
if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then own_mounts=(unshare --mount); fi

time_limit() # TEST
{
	local limit
	limit=$(sed -n 's/^# timeout: \([0-9]*\)$/\1/p' "$1" 2>/dev/null | head -n 1)
	echo $((${limit:-120} * ${HYDROOT_SLOWER:-1}))
}

short_name() # TEST
{
	local name=${1#"${BUILD:-build}"/}
	name=${name#tests/}
	echo "${HYDROOT_LABEL:+$HYDROOT_LABEL }${name%.sh}"
}

run_one() # TEST
{
	local name out status result why='' start=${EPOCHREALTIME//[.,]/} ms
	name=$(short_name "$1")
	out=$(mktemp -d "${TMPDIR:-/tmp}/hydroot-run.XXXXXX")
	export HYDROOT_SANITIZER_LOG=$out/sanitizer
	export ASAN_OPTIONS="log_path=$out/sanitizer:detect_leaks=${HYDROOT_LEAKS:-1}"
	export UBSAN_OPTIONS="log_path=$out/sanitizer:print_stacktrace=1"
	export TSAN_OPTIONS="log_path=$out/sanitizer:second_deadlock_stack=1"
	chmod 1777 "$out"
	timeout -k 30 "$(time_limit "$1")" "${own_mounts[@]}" "$1" >"$out/output" 2>&1 </dev/null
	status=$?
	ms=$(((${EPOCHREALTIME//[.,]/} - start) / 1000))
	case $status in
	0) result=passed ;;
	77) result=skipped why=": $(tail -n 1 "$out/output")" ;;
	124 | 137) result=FAILED why=": took longer than $(time_limit "$1") s" ;;
	*) result=FAILED why=": exit code $status" ;;
	esac
	if compgen -G "$out/sanitizer.*" >/dev/null; then
		result=FAILED why="$why: the sanitizer reports"
		cat "$out"/sanitizer.* >>"$out/output"
	fi
	{
		printf '%-7s %4d.%d s  %s%s\n' "$result" $((ms / 1000)) $((ms % 1000 / 100)) \
			"$name" "$why"
		if [ $result = FAILED ] || [ -n "${V-}" ]; then sed 's/^/    | /' "$out/output"; fi
	} >"$out/report"
	cat "$out/report"
	echo "$result $name" >>"$HYDROOT_RESULTS"
	rm -rf "$out"
}

summary() # RESULTS
{
	awk '{ n[$1]++ } END { printf "%d passed, %d failed, %d skipped\n",
		n["passed"], n["FAILED"], n["skipped"] }' "$1"
}

if [ "${1-}" = --one ]; then
	run_one "$2"
	exit 0
fi
if [ "${1-}" = --summary ]; then
	summary "$2"
	! grep -q '^FAILED' "$2"
	exit
fi
jobs=1
if [ "${1-}" = -j ]; then
	jobs=$2
	shift 2
fi
own=''
if [ -z "${HYDROOT_RESULTS-}" ]; then
	own=$(mktemp "${TMPDIR:-/tmp}/hydroot-results.XXXXXX")
	export HYDROOT_RESULTS=$own
	trap 'rm -f "$own"' EXIT
fi
[ $# = 0 ] || printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" "$0" --one
if [ -n "$own" ]; then
	summary "$own"
fi
! grep -q '^FAILED' "$HYDROOT_RESULTS"
