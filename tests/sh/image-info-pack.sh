#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# info of a hot pack tells which image it is of, by whom it is signed and what it holds, from a file and
# from a URL; what is damaged is refused with its place.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires nginx jq
export no_proxy='*'
mkdir "$T/www"
seq 300000 >"$T/fs"
hydroot-image keygen "$T/k"
hydroot-image build --chunk-size=64K --level=1 "$T/fs" "$T/x.hri" 2>/dev/null
digest=$(hydroot-image info --json "$T/x.hri" | jq -r .digest)
raw=$(hydroot-image info --json "$T/x.hri" | jq -r .raw_digest)
printf '%s\n' "hydroot-trace 1 4096 $digest $raw" '100 30' '3 2' '40 1' >"$T/trace"
hydroot-image pack --trace="$T/trace" --key="$T/k.key" "$T/x.hri" "$T/www/pack"

hydroot-image info --json "$T/www/pack" >"$T/json"
assert_equal "what it is of" "hot pack $digest $raw 65536 1 135168" \
	"$(jq -r '[.kind, .image_digest, .image_raw_digest, .chunk_bytes, .signatures, .hot_raw_bytes] |
		join(" ")' "$T/json")"
assert_equal "its length" "$(stat -c %s "$T/www/pack")" "$(jq .file_bytes "$T/json")"
hydroot-image info "$T/www/pack" >"$T/text"
assert_contains "text" "^of-image: $digest\$" "$T/text"
assert_contains "text" '^hot-pack: 132.0 KiB of blocks in [0-9]+ runs, 1 frames$' "$T/text"

# The manual lists each member, of images and of packs.
for of in x.hri:'Of an image it has' www/pack:'Of a hot pack it has'; do
	awk -v from="${of#*:}" '/^Of .* it has$|^Members/ { on = $0 == from } on' imgfmt/hydroot-image.1 >"$T/manual"
	hydroot-image info --json "$T/${of%:*}" | jq -r 'keys[]' | while read -r member; do
		assert_contains "the manual: ${of#*:}" "^\\.Ql (.*, )?$member( |\$)" "$T/manual"
	done
done
start_nginx web "$T/www"
hydroot-image info "$(nginx_url web pack)" >"$T/url"
assert "info of the URL" cmp "$T/text" "$T/url"
assert_equal "requests" 2 "$(wc -l <"$(nginx_log web)")"

refused() # OFFSET PATTERN
{
	cp "$T/www/pack" "$T/bad"
	printf '\377\377' | dd of="$T/bad" bs=1 seek="$1" conv=notrunc status=none
	expect_exit 1 hydroot-image info "$T/bad"
	assert_contains "byte $1" "$2" "$T/out"
}
refused 100 'its checksum is wrong'
refused 4200 'hot table at offset 4104: wrong SHA-256'
head -c 5000 "$T/www/pack" >"$T/bad"
expect_exit 1 hydroot-image info "$T/bad"
assert_contains "cut off" 'has 5000 bytes instead of' "$T/out"
