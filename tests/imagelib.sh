# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# imagelib.sh - what tests of hydroot-image in plain sh begin with; sourced
#
# Sets $tool and $tmp, a folder that goes with the test.

set -eu
# shellcheck disable=SC2034 # for the tests
tool=${BUILD:-build}/hydroot-image
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
	echo "$(basename "$0" .sh): $*" >&2
	exit 1
}

# expect STATUS TEXT COMMAND...: the exit status, and a part of what is said on stderr
expect() {
	want=$1 text=$2
	shift 2
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" || status=$?
	[ $status = "$want" ] || fail "'$*' gave $status instead of $want: $(cat "$tmp/err")"
	[ -z "$text" ] || grep -q -e "$text" "$tmp/err" || fail "'$*' said: $(cat "$tmp/err")"
}
