#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every image of tests/fixtures/should-fail-* is refused (3), each for its own reason.

. "$(dirname "$0")/../lib.sh"

dir=tests/fixtures
wrong=0 n=0
# Two ways to the same mismatch: the content, or what HEAD says of it.
assert_equal "reasons that several images share" "another raw digest" \
	"$(cut -f 2 "$dir/should-fail.expect" | sort | uniq -d)"
while IFS=$'\t' read -r name text; do
	status=0
	said=$(timeout 20 hydroot-image verify "$dir/$name" 2>&1) || status=$?
	n=$((n + 1))
	if [ $status != 3 ]; then
		echo "$name: exit code $status instead of 3: $said"
		wrong=1
	elif ! grep -qE -- "^hydroot-image: [^ ]*: .*$text" <<<"$said"; then
		echo "$name: said '$said' instead of '$text'"
		wrong=1
	fi
done <"$dir/should-fail.expect"
assert_equal "images and lines of should-fail.expect" "$n" \
	"$(find $dir -name 'should-fail-*.img' | wc -l)"
[ $wrong = 0 ] || fail "see above"
echo "$n images were refused"
