#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# info: digest, metadata, JSON, and the signed bytes, whose SHA-256 is the digest.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

seq 100000 >"$tmp/fs"
echo '{"zebra": 1, "name": "debian", "apple": {"b": 2, "a": "\u00e4"}}' >"$tmp/meta"
"$tool" build --meta="$tmp/meta" --version-number=42 "$tmp/fs" "$tmp/x.hri" 2>/dev/null
"$tool" info --signed-bytes="$tmp/signed" "$tmp/x.hri" >"$tmp/info"

digest=$(sed -n 's/^digest: sha256://p' "$tmp/info")
[ "$(sha256sum <"$tmp/signed")" = "$digest  -" ] || fail "digest is not that of the signed bytes"
[ "$(stat -c %s "$tmp/signed")" = 512 ] || fail "signed bytes have another length"
cmp -n 512 "$tmp/signed" "$tmp/x.hri" || fail "signed bytes are not those of the file"

# The raw digest: number and SHA-256 of each chunk that is not zero.  The second is shorter.
zstd -dcq "$tmp/x.hri" >"$tmp/raw"
octal() { sed 's/../\n&/g' | while read -r x; do [ -z "$x" ] || printf '\\%03o' "0x$x"; done; }
{
	printf '\000\000\000\000\000\000\000\000'
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$(head -c 524288 "$tmp/raw" | sha256sum | cut -d' ' -f1 | octal)"
	printf '\001\000\000\000\000\000\000\000'
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$(tail -c +524289 "$tmp/raw" | sha256sum | cut -d' ' -f1 | octal)"
} >"$tmp/digests"
raw=$(sha256sum <"$tmp/digests" | cut -d' ' -f1)
grep -qE "^raw(-digest)?: sha256:$raw\$" "$tmp/info" || fail "raw digest"
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

"$tool" verify http://127.0.0.1/x.hri 2>"$tmp/err" && fail "verify of a URL"
grep -q "only 'info' takes a URL" "$tmp/err" || fail "$(cat "$tmp/err")"
