#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A trace becomes a hot pack, in the image or beside it; what is not exactly a trace is refused with its
# line, and a pack that is damaged, cut, or of another image or key is refused by verify.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

# 64 chunks of text, but every fourth is zero.
for i in $(seq 0 15); do
	seq $((i * 50000)) 999999 | head -c 196608
	head -c 65536 /dev/zero
done >"$tmp/fs"
"$tool" build --chunk-size=64K "$tmp/fs" "$tmp/plain.hri" 2>/dev/null
raw=$("$tool" info "$tmp/plain.hri" | sed -n 's/^raw-digest: //p')
digest=$("$tool" info "$tmp/plain.hri" | sed -n 's/^digest: //p')
head="hydroot-trace 1 4096 $digest $raw"
{
	echo "$head"
	printf '%s\n' '500 30' '3 1' '505 7' '48 16' '0 2' '1000 24' '1020 5'
} >"$tmp/trace"

# In the image: the same image, but for the pack.
expect 0 '^hydroot-image: .*trace: warning: 1 blocks are not in this image' \
	"$tool" build --chunk-size=64K --trace="$tmp/trace" "$tmp/fs" "$tmp/hot.hri"
expect 0 '' "$tool" verify "$tmp/hot.hri"
zstd -dcq "$tmp/hot.hri" | cmp - "$tmp/fs" || fail "zstd -dc gives other bytes"
zstd -tq "$tmp/hot.hri" || fail "zstd -t"
expect 0 '' "$tool" build --chunk-size=64K --jobs=1 --trace="$tmp/trace" "$tmp/fs" "$tmp/again.hri"
cmp "$tmp/hot.hri" "$tmp/again.hri" || fail "the pack is not reproducible"
# Of 500 to 529 and 1000 to 1023 some are in zero chunks, which no pack holds.
"$tool" info "$tmp/hot.hri" | grep -q '^hot-pack: .* in [0-9]* runs, 1 frames$' || fail "info"
"$tool" info "$tmp/hot.hri" | grep -q "^raw-digest: $raw$" || fail "the content is another"
expect 0 '' "$tool" verify "$tmp/plain.hri"

# Any byte of the pack.
"$tool" info --json "$tmp/hot.hri" | tr -d '\n' |
	sed 's/.*"hot_pack": *{ *"bytes": *\([0-9]*\), *"offset": *\([0-9]*\).*/\1 \2/' >"$tmp/place"
read -r bytes offset <"$tmp/place" || [ -n "$offset" ]
flip() { # FILE OFFSET
	byte=$(od -An -tu1 -j "$2" -N1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %03o $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
for at in 0 20 50 70 90 120 $((bytes / 2)) $((bytes - 1)); do
	cp "$tmp/hot.hri" "$tmp/bad.hri"
	flip "$tmp/bad.hri" $((offset + at))
	expect 3 'bad.hri: ' "$tool" verify "$tmp/bad.hri"
done

# Beside the image, signed and not.
"$tool" keygen "$tmp/key"
"$tool" keygen "$tmp/other"
expect 0 '' "$tool" pack --trace="$tmp/trace" "$tmp/plain.hri" "$tmp/pack"
expect 0 '' "$tool" verify --pack="$tmp/pack" "$tmp/plain.hri"
expect 0 '' "$tool" pack --trace="$tmp/trace" --key="$tmp/key.key" "$tmp/plain.hri" "$tmp/signed"
expect 0 '' "$tool" verify --pack="$tmp/signed" "$tmp/plain.hri"
cmp "$tmp/pack" "$tmp/signed" >/dev/null && fail "nothing was signed"
"$tool" sign --key="$tmp/key.key" "$tmp/plain.hri"
expect 0 '' "$tool" verify --public-key="$tmp/key.pub" --pack="$tmp/signed" "$tmp/plain.hri"
expect 3 'pack: ' "$tool" verify --public-key="$tmp/key.pub" --pack="$tmp/pack" "$tmp/plain.hri"
expect 3 '' "$tool" verify --public-key="$tmp/other.pub" --pack="$tmp/signed" "$tmp/plain.hri"
expect 3 'of another image' "$tool" verify --pack="$tmp/pack" "$tmp/hot.hri"
for at in 0 9 40 66 80 100 520 600 3000 4090 4100 4104 4130 4200 $(($(stat -c %s "$tmp/pack") - 1)); do
	cp "$tmp/pack" "$tmp/bad"
	flip "$tmp/bad" $at
	expect 3 'bad: ' "$tool" verify --pack="$tmp/bad" "$tmp/plain.hri"
done
for n in 0 100 4096 4104 4150 5000; do
	head -c $n "$tmp/pack" >"$tmp/bad"
	expect 3 'bad: ' "$tool" verify --pack="$tmp/bad" "$tmp/plain.hri"
done
{ cat "$tmp/pack"; echo; } >"$tmp/bad"
expect 3 'bad: has ' "$tool" verify --pack="$tmp/bad" "$tmp/plain.hri"
expect 1 'cannot open' "$tool" verify --pack="$tmp/none" "$tmp/plain.hri"

# Not a trace.
bad_trace() { # TEXT LINE
	# shellcheck disable=SC2059 # the format is the text
	printf "$1" >"$tmp/wrong"
	rm -f "$tmp/no"
	expect 1 "wrong: line $2: " "$tool" pack --trace="$tmp/wrong" "$tmp/plain.hri" "$tmp/no"
	[ ! -e "$tmp/no" ] || fail "'$1' made a pack"
}
bad_trace '' 1
bad_trace '\n' 1
bad_trace "$head" 1
bad_trace "hydroot-trace 2 4096 $digest $raw\n1 1\n" 1
bad_trace "hydroot-trace 1 512 $digest $raw\n1 1\n" 1
bad_trace "$head \n1 1\n" 1
for line in '' '1' '1 ' ' 1 1' '1 1 ' '1  1' '01 1' '-1 1' '+1 1' '1 0x1' '1 0' '1,1' '1 1\r' '# 1' \
	'68719476736 1' '1 68719476736' '99999999999999999999999 1'; do
	bad_trace "$head\n7 1\n$line\n" 3
done
bad_trace "$head\n7 1" 2
{ echo "$head"; seq 1100000 | sed 's/$/ 1/'; } >"$tmp/wrong"
expect 1 'too many runs' "$tool" pack --trace="$tmp/wrong" "$tmp/plain.hri" "$tmp/no"

# Nothing of this image, and a trace of another.
{ echo "$head"; echo '5000 10'; } >"$tmp/beyond"
expect 1 'nothing to put into it' "$tool" pack --trace="$tmp/beyond" "$tmp/plain.hri" "$tmp/no"
expect 0 'no hot pack' "$tool" build --chunk-size=64K --trace="$tmp/beyond" "$tmp/fs" "$tmp/x.hri"
{ echo "hydroot-trace 1 4096 $digest $digest"; echo '1 1'; } >"$tmp/foreign"
expect 0 'of an image with other content' "$tool" pack --trace="$tmp/foreign" "$tmp/plain.hri" "$tmp/p"
expect 2 'give --trace' "$tool" pack "$tmp/plain.hri" "$tmp/p"
expect 2 'give IMAGE and PACK' "$tool" pack --trace="$tmp/trace" "$tmp/plain.hri"
