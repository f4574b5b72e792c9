#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: tsan
# A hot pack is signed after it was made, with a key that is here or by one that is not; its content and its
# digest stay, and `verify --pack --public-key` takes it then.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires openssl jq
seq 300000 >"$T/fs"
for key in here away other; do hydroot-image keygen "$T/$key"; done
hydroot-image build --chunk-size=64K --level=1 --key="$T/here.key" "$T/fs" "$T/x.hri" 2>/dev/null
hydroot-image info --json "$T/x.hri" |
	jq -r '"hydroot-trace 1 4096 \(.digest) \(.raw_digest)", "100 30", "3 2"' >"$T/trace"
hydroot-image pack --trace="$T/trace" "$T/x.hri" "$T/pack"
hydroot-image pack --trace="$T/trace" --key="$T/here.key" "$T/x.hri" "$T/signed-as-made"
cp "$T/pack" "$T/unsigned"

verify() { expect_exit "$1" hydroot-image verify --pack="$3" --public-key="$T/$2.pub" "$T/x.hri"; } # CODE KEY PACK
same_but_the_signatures() # WHAT
{
	assert "$1: the signed range" cmp -n 512 "$T/pack" "$T/unsigned"
	assert "$1: the content" cmp -i 4096 "$T/pack" "$T/unsigned"
}
verify 3 here "$T/pack"
assert_contains "not signed" ': PACK HEAD: the hot pack is not signed .*here.pub \(key id [0-9a-f]{16}\)$' "$T/out"
expect_exit 3 hydroot-image verify --pack="$T/x.hri" "$T/x.hri"
assert_contains "an image" ': PACK HEAD at offset 0: not a hot pack: byte 8 has another magic$' "$T/out"

note "a key that is here"
expect_exit 0 hydroot-image sign --key="$T/here.key" "$T/pack"
assert "as if it had been signed when it was made" cmp "$T/pack" "$T/signed-as-made"
verify 0 here "$T/pack"

note "a key that is away"
cp "$T/unsigned" "$T/pack"
hydroot-image info --signed-bytes="$T/bytes" "$T/pack" >/dev/null
assert "the first 512 bytes" cmp -n 512 "$T/bytes" "$T/pack"
assert_equal "no more" 512 "$(stat -c %s "$T/bytes")"
openssl pkeyutl -sign -rawin -inkey "$T/away.key" -in "$T/bytes" -out "$T/signature"
expect_exit 1 hydroot-image sign --import="$T/signature" --public-key="$T/other.pub" "$T/pack"
assert_contains "by another key" 'is not the signature of .*pack by the key in .*other.pub' "$T/out"
assert "a refused signature changes nothing" cmp "$T/pack" "$T/unsigned"
expect_exit 0 hydroot-image sign --import="$T/signature" --public-key="$T/away.pub" "$T/pack"
same_but_the_signatures "imported"
assert_equal "signatures" 1 "$(hydroot-image info --json "$T/pack" | jq .signatures)"
for key in away other; do hydroot-image sign --key="$T/$key.key" "$T/x.hri"; done
verify 0 away "$T/pack"
verify 3 other "$T/pack"
key_id() { openssl pkey -pubin -in "$T/$1.pub" -outform DER | tail -c 32 | sha256sum | head -c 16; }
assert_contains "whose it is" ": PACK HEAD: no signature of the hot pack verifies with the public key .*other.pub \\(key id $(key_id other)\\); it has signatures of $(key_id away)\$" "$T/out"
# Without its key it is taken as it is, and verifies all the same.
cp "$T/unsigned" "$T/pack"
expect_exit 0 hydroot-image sign --import="$T/signature" "$T/pack"
same_but_the_signatures "imported without its key"
verify 0 away "$T/pack"

note "the power failed while it was signed"
dd if=/dev/urandom of="$T/pack" bs=32 seek=127 count=1 conv=notrunc status=none
expect_exit 1 hydroot-image info "$T/pack"
expect_exit 0 hydroot-image sign --key="$T/here.key" "$T/pack"
assert_contains "mended" 'HEAD was written in part' "$T/out"
verify 0 here "$T/pack"
verify 0 away "$T/pack"

note "what is damaged is not signed"
for at in 40 4200; do
	cp "$T/unsigned" "$T/bad"
	printf '\377\377' | dd of="$T/bad" bs=1 seek=$at conv=notrunc status=none
	cp "$T/bad" "$T/before"
	expect_exit 1 hydroot-image sign --key="$T/here.key" "$T/bad"
	assert "byte $at: unchanged" cmp "$T/bad" "$T/before"
done
