#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every image and every hot pack of tests/fixtures/should-fail-* is refused (3), each for its own reason.

. "$(dirname "$0")/../lib.sh"

dir=tests/fixtures
wrong=0 n=0
# Two ways to the same mismatch: the content, or what HEAD says of it.
assert_equal "reasons that several images share" "another raw digest" \
	"$(cut -f 2 "$dir/should-fail.expect" | sort | uniq -d)"
# refuse_all LIST ARGUMENT...: each file of the list, named FILE in the arguments
refuse_all()
{
	local name text status said list=$1
	shift
	while IFS=$'\t' read -r name text; do
		status=0
		said=$(timeout 20 hydroot-image verify "${@/%FILE/$dir/$name}" 2>&1) || status=$?
		n=$((n + 1))
		if [ $status != 3 ]; then
			echo "$name: exit code $status instead of 3: $said"
			wrong=1
		elif ! grep -qE -- "^hydroot-image: [^ ]*: .*$text" <<<"$said"; then
			echo "$name: said '$said' instead of '$text'"
			wrong=1
		fi
	done <"$list"
}

# A file for each line of the list.
complete() { assert_equal "files and lines of $1" "$n" "$(find $dir -name "$2" | wc -l)"; }

refuse_all "$dir/should-fail.expect" FILE
complete should-fail.expect 'should-fail-*.img'
echo "$n images were refused"
n=0
assert "the image that they are of" hydroot-image verify $dir/good.img
assert "a pack that is right" hydroot-image verify --pack=$dir/good.pack $dir/good.img
refuse_all "$dir/should-fail-pack.expect" --pack=FILE $dir/good.img
complete should-fail-pack.expect 'should-fail-*.pack'
assert_equal 'reasons that several packs share' '' "$(cut -f 2 "$dir/should-fail-pack.expect" | sort | uniq -d)"
echo "$n hot packs were refused"
[ $wrong = 0 ] || fail "see above"
