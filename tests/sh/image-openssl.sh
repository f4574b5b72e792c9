#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Keys and signatures go both ways between us and openssl; encrypted keys are refused by name.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

command -v openssl >/dev/null || {
	echo "skipped: needs openssl"
	exit 77
}
seq 100000 >"$tmp/fs"
"$tool" build "$tmp/fs" "$tmp/x.hri" 2>/dev/null
"$tool" info --signed-bytes="$tmp/bytes" "$tmp/x.hri" >/dev/null

# The signature in a slot of HEAD.
slot() { dd if="$1" bs=1 skip=$((552 + $2 * 140 + 12)) count=64 status=none; }

# Our key in openssl's hands, openssl's in ours.
"$tool" keygen "$tmp/ours"
openssl pkey -in "$tmp/ours.key" -pubout -out "$tmp/pub" || fail "openssl does not read our key"
cmp "$tmp/pub" "$tmp/ours.pub" || fail "another public key than openssl's"
openssl genpkey -algorithm ed25519 -out "$tmp/theirs.key" 2>/dev/null
openssl pkey -in "$tmp/theirs.key" -pubout -out "$tmp/theirs.pub"
n=0
for key in ours theirs; do
	"$tool" sign --key="$tmp/$key.key" "$tmp/x.hri"
	"$tool" verify --public-key="$tmp/$key.pub" "$tmp/x.hri"
	slot "$tmp/x.hri" $n >"$tmp/signature"
	openssl pkeyutl -verify -rawin -pubin -inkey "$tmp/$key.pub" -in "$tmp/bytes" \
		-sigfile "$tmp/signature" >/dev/null || fail "openssl refuses the signature by $key"
	n=$((n + 1))
done

# A signature that openssl made elsewhere: with its key known, and without.
openssl genpkey -algorithm ed25519 -out "$tmp/away.key" 2>/dev/null
openssl pkey -in "$tmp/away.key" -pubout -out "$tmp/away.pub"
openssl pkeyutl -sign -rawin -inkey "$tmp/away.key" -in "$tmp/bytes" -out "$tmp/signature"
cp "$tmp/x.hri" "$tmp/y.hri"
expect 1 'signature: is not the signature of .*y.hri by the key in .*ours.pub' \
	"$tool" sign --import="$tmp/signature" --public-key="$tmp/ours.pub" "$tmp/y.hri"
cmp "$tmp/x.hri" "$tmp/y.hri" || fail "a refused import changed the image"
expect 0 '' "$tool" sign --import="$tmp/signature" --public-key="$tmp/away.pub" "$tmp/y.hri"
expect 0 '' "$tool" verify --public-key="$tmp/away.pub" "$tmp/y.hri"
expect 0 '' "$tool" sign --import="$tmp/signature" "$tmp/x.hri"
expect 0 '' "$tool" sign --import="$tmp/signature" "$tmp/x.hri"
expect 0 '' "$tool" verify --public-key="$tmp/away.pub" "$tmp/x.hri"
"$tool" info "$tmp/x.hri" | grep -qx 'signatures: 3' || fail "imported twice"
"$tool" info "$tmp/x.hri" | grep -qx 'signature-key-id: 0000000000000000' || fail "key id"
expect 1 'has 512 bytes; an Ed25519 signature has 64' "$tool" sign --import="$tmp/bytes" "$tmp/x.hri"

# Keys of another kind, and with a passphrase, which nobody is asked for.
openssl genpkey -algorithm ed25519 -aes-256-cbc -pass pass:secret -out "$tmp/locked" 2>/dev/null
expect 1 'locked: the private key is encrypted' "$tool" sign --key="$tmp/locked" "$tmp/x.hri"
expect 1 'encrypted' "$tool" build --key="$tmp/locked" "$tmp/fs" "$tmp/z.hri"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$tmp/ec" 2>/dev/null
openssl pkey -in "$tmp/ec" -pubout -out "$tmp/ec.pub"
expect 1 'not an Ed25519 private key' "$tool" sign --key="$tmp/ec" "$tmp/x.hri"
expect 1 'not an Ed25519 public key' "$tool" verify --public-key="$tmp/ec.pub" "$tmp/x.hri"
