#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh - the stages of `make check`; the last line of output is the sum of all of them
#
#	tests/check.sh all | STAGE...
#
# Stages: lint unit sh long fuzz host boot asan tsan, and matrix and slow, which are not in "all".
# Every stage runs, also after one has failed.

set -u
cd "$(dirname "$0")/.." || exit 1
: "${MAKE:=make}"
results=$(mktemp "${TMPDIR:-/tmp}/hydroot-results.XXXXXX")
export HYDROOT_RESULTS=$results
images=	# the process that makes them
trap '[ -z "$images" ] || kill "$images" 2>/dev/null; rm -f "$results" "$results.images"' EXIT

case " ${MAKEFLAGS-}" in
*' -j'* | *jobserver*) jobs= ;;
*) jobs=-j$(nproc) ;;
esac

# build WHAT...: a failed build is a failed test, and its stage is left out
build()
{
	# shellcheck disable=SC2086 # $jobs may be nothing
	$MAKE --no-print-directory $jobs WERROR=1 "$@" && return
	echo "FAILED build" >>"$results"
	echo "FAILED          build ($*)"
	return 1
}

tests_in() { find "tests/$1" -name "${2-*.sh}" -xtype f 2>/dev/null | LC_ALL=C sort; }

unit_tests() { find "$1/tests/unit" -name '*_test' -type f 2>/dev/null | LC_ALL=C sort; }

run() # JOBS TEST...
{
	local n=$1
	shift
	[ $# = 0 ] || tests/run.sh -j "$n" "$@"
}

# side_by_side N TEST...: N at a time, with twice the patience, but for those that say "# alone: WHY", which follow one by one
side_by_side()
{
	local alone together n=$1
	shift
	[ $# != 0 ] || return 0
	mapfile -t alone < <(grep -ls '^# alone: ' "$@")
	mapfile -t together < <(grep -Ls '^# alone: ' "$@")
	HYDROOT_SLOWER=$((${HYDROOT_SLOWER:-1} * 2)) run "$n" "${together[@]}"
	run 1 "${alone[@]}"
}

title() { printf '\n--- %s\n' "$*"; }

stage_lint() { run 1 tests/lint.sh; }

stage_unit()
{
	build check-programs || return
	mapfile -t list < <(unit_tests build)
	run "$(nproc)" "${list[@]}"
}

stage_sh()
{
	build check-programs || return
	mapfile -t list < <(tests_in sh)
	run "$(nproc)" "${list[@]}"
}

stage_long()
{
	build check-programs || return
	mapfile -t list < <(tests_in long)
	run "$(nproc)" "${list[@]}"
}

# One more than there are processors: half of their time they wait.
stage_host()
{
	build check-programs || return
	mapfile -t list < <(tests_in host)
	side_by_side "$(($(nproc) + 1))" "${list[@]}"
}

# The images of the stage boot take minutes, most of them spent on waiting for the archive and the disk: they are made
# beside the stages before it.
begin_images()
{
	[ -z "$images" ] || return 0
	HYDROOT_SLOWER=2 nice -n 19 tests/run.sh tests/boot-image.sh >"$results.images" 2>&1 &
	images=$!
}

stage_boot()
{
	build check-programs || return
	mapfile -t list < <(tests_in boot; tests/matrix.sh --list check)
	tests/matrix.sh --forget
	begin_images
	wait "$images"
	images=
	cat "$results.images"
	side_by_side "$(nproc)" "${list[@]}"
}

# The other rows of the table of boots, after the stage boot, and those slow tests in which what a boot needs fails or is
# not to be trusted.
stage_matrix()
{
	build check-programs || return
	mapfile -t list < <(tests/matrix.sh --rest; tests_in matrix
		printf 'tests/slow/%s.sh\n' fail-fill fail-network fallback https signed)
	side_by_side "$(nproc)" "${list[@]}"
}

# Each target for a few seconds; 60 in the slow stage.
stage_fuzz()
{
	local test
	if ! command -v "${FUZZ_CC:-clang-14}" >/dev/null; then
		for test in $(tests_in fuzz); do
			echo "skipped $(basename "$test" .sh)" >>"$results"
			echo "skipped         fuzz/$(basename "$test" .sh)  needs clang-14; see tests/setup.sh"
		done
		return
	fi
	build fuzz-build || return
	mapfile -t list < <(tests_in fuzz)
	run "$(nproc)" "${list[@]}"
}

stage_slow()
{
	build check-programs || return
	mapfile -t list < <(tests_in slow)
	run 1 "${list[@]}"
	FUZZ_SECONDS=${FUZZ_SECONDS:-60} stage_fuzz
}

# Tests say by "sanitizers: WORD..." in their first comment in which builds they show something new.  Unit and host
# tests are for all of them unless they do, those of sh and long for none.
is_for() # LABEL FILE [WORDS-UNLESS-IT-SAYS]
{
	local words
	words=$(sed -n 's/^ *[#*] sanitizers: //p' "$2" | head -n 1)
	case " ${words:-${3-asan tsan}} " in *" $1 "*) return 0 ;; esac
	return 1
}

sanitized_unit_tests() # LABEL FOLDER
{
	local test
	for test in $(unit_tests "$2"); do
		if is_for "$1" "tests/unit/${test##*/}.c"; then echo "$test"; fi
	done
}

sanitized_host_tests() # LABEL
{
	local test
	for test in $(tests_in host); do
		if is_for "$1" "$test"; then echo "$test"; fi
	done
}

sanitized_sh_tests() # LABEL
{
	local test
	for test in $(tests_in sh) $(tests_in long); do
		if is_for "$1" "$test" none; then echo "$test"; fi
	done
}

# sanitized LABEL SAN: unit and host tests, and some of the others, in a build of their own
sanitized()
{
	local folder=build-${2%%,*}
	build check-programs SAN="$2" || return
	mapfile -t list < <(sanitized_unit_tests "$1" "$folder"; sanitized_sh_tests "$1")
	HYDROOT_LABEL=$1 BUILD=$folder HYDROOT_SLOWER=3 run "$(nproc)" "${list[@]}"
	mapfile -t list < <(sanitized_host_tests "$1")
	HYDROOT_LABEL=$1 BUILD=$folder HYDROOT_SLOWER=3 side_by_side "$(nproc)" "${list[@]}"
}

stage_asan() { sanitized asan address,undefined; }

# TSan of gcc 12 cannot live with the address space layout of newer kernels: all its processes
# run without randomisation.
stage_tsan()
{
	if [ -z "${HYDROOT_NO_ASLR-}" ]; then
		HYDROOT_NO_ASLR=1 setarch "$(uname -m)" -R "$0" --stage tsan
		return
	fi
	sanitized tsan thread
}

if [ "${1-}" = --stage ]; then
	export HYDROOT_RESULTS=$HYDROOT_OUTER_RESULTS
	results=$HYDROOT_RESULTS
	trap - EXIT
	"stage_$2"
	exit
fi
export HYDROOT_OUTER_RESULTS=$results
[ "${1-}" != all ] || set -- lint unit sh long fuzz host boot asan tsan
start=$SECONDS
case " $* " in *' boot '*) ! build check-programs || begin_images ;; esac
for stage in "$@"; do
	title "$stage"
	stage_start=$SECONDS
	"stage_$stage"
	echo "    $stage: $((SECONDS - stage_start)) s"
done
case " $* " in *' boot '* | *' matrix '*) tests/matrix.sh --table ;; esac
printf '\n--- %d s in all\n' $((SECONDS - start))
grep '^FAILED' "$results"
tests/run.sh --summary "$results"
