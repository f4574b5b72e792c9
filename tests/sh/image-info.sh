#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# info: digest, metadata, JSON, and the signed bytes, whose SHA-256 is the digest.
set -eu
tool=${BUILD:-build}/hydroot-image
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
	echo "image-info: $*" >&2
	exit 1
}

seq 100000 >"$tmp/fs"
echo '{"zebra": 1, "name": "debian", "apple": {"b": 2, "a": "\u00e4"}}' >"$tmp/meta"
"$tool" build --meta="$tmp/meta" --version-number=42 "$tmp/fs" "$tmp/x.hri" 2>/dev/null
"$tool" info --signed-bytes="$tmp/signed" "$tmp/x.hri" >"$tmp/info"

digest=$(sed -n 's/^digest: sha256://p' "$tmp/info")
[ "$(sha256sum <"$tmp/signed")" = "$digest  -" ] || fail "digest is not that of the signed bytes"
[ "$(stat -c %s "$tmp/signed")" = 512 ] || fail "signed bytes have another length"
cmp -n 512 "$tmp/signed" "$tmp/x.hri" || fail "signed bytes are not those of the file"
zstd -dcq "$tmp/x.hri" | sha256sum >"$tmp/sum"
grep -q "^raw: sha256:$(cut -d' ' -f1 "$tmp/sum")$" "$tmp/info" || fail "raw digest"
grep -q '^version-number: 42$' "$tmp/info" || fail "version number"
meta='{"annotations":{"apple":{"a":"ä","b":2},"zebra":1},"filesystem":"unknown","name":"debian"'
grep -qxF "meta: $meta,\"version_number\":42}" "$tmp/info" || fail "$(grep meta: "$tmp/info")"

"$tool" info --json "$tmp/x.hri" >"$tmp/json"
for part in '"schema": 1' "\"digest\": \"sha256:$digest\"" '"version_number": 42' '"name": "debian"' \
	'"chunk_bytes": 524288' '"chunks": 2' "\"file_bytes\": $(stat -c %s "$tmp/x.hri")"; do
	grep -qF "$part" "$tmp/json" || fail "no $part in $(cat "$tmp/json")"
done

"$tool" info "$tmp/fs" >"$tmp/out" 2>"$tmp/err" && fail "info of something else"
[ ! -s "$tmp/out" ] || fail "info of something else printed"
"$tool" info http://127.0.0.1/x.hri 2>"$tmp/err" && fail "info of a URL"
grep -q 'not supported yet' "$tmp/err" || fail "$(cat "$tmp/err")"
