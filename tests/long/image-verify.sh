#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# verify: a flipped byte anywhere is refused (3) with a message, so are a cut and an appended file
# and the wrong digest or key; what cannot be read is 1.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

# One chunk of text, two of zeros, one of text again, and a short one.
{
	seq 100000 | head -c 65536
	head -c 131072 /dev/zero
	seq 200000 | tail -c 65536
	seq 4096 | head -c 8192
} >"$tmp/fs"
"$tool" build --chunk-size=64K "$tmp/fs" "$tmp/good.hri" 2>/dev/null
expect 0 '' "$tool" verify "$tmp/good.hri"
bytes=$(stat -c %s "$tmp/good.hri")

# flip OFFSET: that byte with its bits turned round
flip() {
	cp "$tmp/good.hri" "$tmp/bad.hri"
	byte=$(od -An -tu1 -j "$1" -N1 "$tmp/good.hri")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %03o $((255 - byte)))" |
		dd of="$tmp/bad.hri" bs=1 seek="$1" conv=notrunc status=none
	expect 3 'hydroot-image: .*bad.hri: ' "$tool" verify "$tmp/bad.hri"
}

# All the way through in steps, and every byte of the small parts at both ends of DATA.
at=0
while [ $at -lt "$bytes" ]; do
	flip $at
	at=$((at + 307))
done
at=4096
while [ $at -lt 4440 ]; do
	flip $at
	at=$((at + 4))
done
at=$((bytes - 90))
while [ $at -lt "$bytes" ]; do
	flip $at
	at=$((at + 1))
done

# The zero frames, which no digest covers: right behind the first chunk.
zero=$("$tool" info --json "$tmp/good.hri" | sed -n '/"data"/,/}/s/.*"offset": \([0-9]*\).*/\1/p')
first=$(od -An -tu4 -j $((zero - 180)) -N4 "$tmp/good.hri" | tr -d ' ')
at=$((zero + first))
while [ $at -lt $((zero + first + 34)) ]; do
	flip $at
	at=$((at + 1))
done
grep -q 'chunk 2 at offset' "$tmp/err" || fail "no chunk and offset: $(cat "$tmp/err")"

head -c $((bytes - 1)) "$tmp/good.hri" >"$tmp/bad.hri"
expect 3 'cut off' "$tool" verify "$tmp/bad.hri"
head -c 100 "$tmp/good.hri" >"$tmp/bad.hri"
expect 3 'too few bytes' "$tool" verify "$tmp/bad.hri"
: >"$tmp/bad.hri"
expect 3 'too few bytes' "$tool" verify "$tmp/bad.hri"
{ cat "$tmp/good.hri"; echo; } >"$tmp/bad.hri"
expect 3 'appended' "$tool" verify "$tmp/bad.hri"
expect 3 'not a hydroot image' "$tool" verify "$tmp/fs"

digest=$("$tool" info "$tmp/good.hri" | sed -n 's/^digest: //p')
expect 0 '' "$tool" verify --digest="$digest" "$tmp/good.hri"
expect 3 'not the one' "$tool" verify \
	--digest=sha256:0000000000000000000000000000000000000000000000000000000000000000 \
	"$tmp/good.hri"
expect 2 'not sha256:' "$tool" verify --digest=sha256:00 "$tmp/good.hri"
if command -v openssl >/dev/null; then
	openssl genpkey -algorithm ed25519 -out "$tmp/key" 2>/dev/null
	openssl pkey -in "$tmp/key" -pubout -out "$tmp/pub"
	expect 3 'not signed' "$tool" verify --public-key="$tmp/pub" "$tmp/good.hri"
	expect 1 'not an Ed25519' "$tool" verify --public-key="$tmp/key" "$tmp/good.hri"
fi
"$tool" build --version-number=7 --chunk-size=64K "$tmp/fs" "$tmp/seven.hri" 2>/dev/null
expect 0 '' "$tool" verify --min-version=7 "$tmp/seven.hri"
expect 3 'version number is 7, below the 8' "$tool" verify --min-version=8 "$tmp/seven.hri"
expect 3 'version number is 0, below the 1' "$tool" verify --min-version=1 "$tmp/good.hri"
expect 2 'min-version=x: not a number' "$tool" verify --min-version=x "$tmp/seven.hri"
expect 1 'cannot open' "$tool" verify --public-key="$tmp/none" "$tmp/good.hri"
expect 1 'cannot open' "$tool" verify "$tmp/none"
expect 1 'not a regular file' "$tool" verify "$tmp"
expect 2 'give one IMAGE' "$tool" verify
