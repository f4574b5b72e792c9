#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# keygen, build --key, sign: four keys have room, one key has one slot, the digest stays, HEAD is all
# that changes; verify and sign say which key and why.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

command -v jq >/dev/null || {
	echo "skipped: needs jq"
	exit 77
}

count() { "$tool" info --json "$1" | jq "$2"; }

seq 100000 >"$tmp/fs"
"$tool" keygen "$tmp/a"
"$tool" keygen "$tmp/b"
[ "$(stat -c %a "$tmp/a.key")" = 600 ] || fail "the private key is open to others"
cmp -s "$tmp/a.key" "$tmp/b.key" && fail "the same key twice"
cp "$tmp/a.key" "$tmp/a.before"
expect 1 'a.* is there already' "$tool" keygen "$tmp/a"
cmp "$tmp/a.key" "$tmp/a.before" || fail "keygen replaced a key"
rm "$tmp/a.before"

# Signed as it is built, or later: the same bytes.
"$tool" build --version-number=5 "$tmp/fs" "$tmp/x.hri" 2>/dev/null
"$tool" build --version-number=5 --key="$tmp/a.key" "$tmp/fs" "$tmp/y.hri" 2>/dev/null
cp "$tmp/x.hri" "$tmp/unsigned.hri"
expect 3 'HEAD: the image is not signed .*a.pub (key id [0-9a-f]\{16\})' \
	"$tool" verify --public-key="$tmp/a.pub" "$tmp/x.hri"
inode=$(stat -c %i "$tmp/x.hri")
expect 0 '' "$tool" sign --key="$tmp/a.key" "$tmp/x.hri"
[ "$(stat -c %i "$tmp/x.hri")" = "$inode" ] || fail "not in place"
cmp "$tmp/x.hri" "$tmp/y.hri" || fail "sign and build --key differ"
cmp -n 512 "$tmp/x.hri" "$tmp/unsigned.hri" || fail "the signed range changed"
cmp -i 4096 "$tmp/x.hri" "$tmp/unsigned.hri" || fail "more than HEAD changed"
expect 0 '' "$tool" verify --public-key="$tmp/a.pub" "$tmp/x.hri"
expect 3 'HEAD: no signature .* (key id [0-9a-f]*); it has signatures of [0-9a-f]\{16\}$' \
	"$tool" verify --public-key="$tmp/b.pub" "$tmp/x.hri"

# Rotation: both keys at once, each with one slot.
"$tool" sign --key="$tmp/b.key" "$tmp/x.hri"
"$tool" sign --key="$tmp/a.key" "$tmp/x.hri"
[ "$(count "$tmp/x.hri" .signatures)" = 2 ] || fail "the same key has two slots"
[ "$(count "$tmp/x.hri" '.signature_key_ids | unique | length')" = 2 ] || fail "key ids"
expect 0 '' "$tool" verify --public-key="$tmp/a.pub" "$tmp/x.hri"
expect 0 '' "$tool" verify --public-key="$tmp/b.pub" "$tmp/x.hri"
for n in 3 4; do
	"$tool" keygen "$tmp/$n"
	"$tool" sign --key="$tmp/$n.key" "$tmp/x.hri"
done
"$tool" keygen "$tmp/5"
cp "$tmp/x.hri" "$tmp/before"
expect 1 'all four signature slots are taken' "$tool" sign --key="$tmp/5.key" "$tmp/x.hri"
cmp "$tmp/x.hri" "$tmp/before" || fail "a refused signature changed the image"
expect 0 '' "$tool" sign --key="$tmp/4.key" "$tmp/x.hri"

# The power failed while it was signed: the old slots, the new checksum.
cp "$tmp/x.hri" "$tmp/torn.hri"
dd if=/dev/urandom of="$tmp/torn.hri" bs=32 seek=127 count=1 conv=notrunc status=none
expect 3 'its checksum is wrong' "$tool" verify "$tmp/torn.hri"
expect 0 'HEAD was written in part' "$tool" sign --key="$tmp/4.key" "$tmp/torn.hri"
expect 0 '' "$tool" verify --public-key="$tmp/a.pub" "$tmp/torn.hri"
dd if=/dev/urandom of="$tmp/torn.hri" bs=32 seek=3 count=1 conv=notrunc status=none
expect 1 'its checksum is wrong' "$tool" sign --key="$tmp/4.key" "$tmp/torn.hri"

# What cannot sign, or be signed.
expect 1 'not an Ed25519 private key' "$tool" sign --key="$tmp/a.pub" "$tmp/y.hri"
expect 1 'cannot open' "$tool" sign --key="$tmp/none" "$tmp/y.hri"
: >"$tmp/empty"
expect 1 'not an Ed25519 private key' "$tool" build --key="$tmp/empty" "$tmp/fs" "$tmp/z.hri"
[ ! -e "$tmp/z.hri" ] || fail "built without the signature that was asked for"
expect 1 'not a hydroot image' "$tool" sign --key="$tmp/a.key" "$tmp/fs"
expect 2 'either --key or --import' "$tool" sign "$tmp/y.hri"
expect 2 'either --key or --import' "$tool" sign --key=a --import=b "$tmp/y.hri"
expect 2 'one PREFIX' "$tool" keygen
zstd -tq "$tmp/x.hri" || fail "no zstd file any more"
