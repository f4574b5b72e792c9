#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: asan
# What is not the image that was asked for is not attached, and the message says which and where:
# key, digest, version, architecture, META, page table.  What is, is attached without a warning.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
tool=$TOP/build/hydroot-image
www=$T/www
mkdir "$www"
head -c 3000000 /dev/urandom >"$T/fs"
for name in good other; do "$tool" keygen "$T/$name"; done
"$tool" build --key="$T/good.key" --version-number=5 "$T/fs" "$www/x.hri" 2>/dev/null
"$tool" build "$T/fs" "$www/unsigned.hri" 2>/dev/null
echo '{"architecture": "pdp11"}' >"$T/meta"
"$tool" build --meta="$T/meta" "$T/fs" "$www/pdp.hri" 2>/dev/null
digest=$("$tool" info "$www/x.hri" | sed -n 's/^digest: //p')
start_nginx web "$www"

refused() { # PATTERN FILE OPTION...
	local pattern=$1 file=$2
	shift 2
	if hydroot attach --name=trust1 "$@" "$(nginx_url web "$file")" >"$T/out" 2>&1; then
		hydroot detach trust1
		fail "attached $file with $*"
	fi
	assert_contains "$file with $*" "$pattern" "$T/out"
	refute "a device is left" test -e /dev/hydroot/trust1
}

flipped() { # OFFSET: one byte of x.hri turned round
	local byte
	cp "$www/x.hri" "$www/flipped.hri"
	byte=$(od -An -tu1 -j "$1" -N1 "$www/x.hri")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %03o $((255 - byte)))" |
		dd of="$www/flipped.hri" bs=1 seek="$1" conv=notrunc status=none
}

attach trust2 --public-key="$T/good.pub" --digest="$digest" --min-version=5 "$(nginx_url web x.hri)" 2>"$T/attach"
assert "the bytes" cmp -n 3000000 "$T/fs" "$device"
refute "a warning about trust" grep -q 'not authenticated' "$T/attach"
refute "a warning about trust in the status" grep -q 'not authenticated' <(status_key trust2 '.warnings[]')
hydroot detach trust2
# Either of the two is enough; a version number alone is not, and of an image that nobody vouches for that is said.
for trust in --public-key="$T/good.pub" --digest="$digest"; do
	attach trust2 "$trust" "$(nginx_url web x.hri)" 2>"$T/attach"
	refute "a warning with $trust" grep -q 'not authenticated' "$T/attach" <(status_key trust2 '.warnings[]')
	hydroot detach trust2
done
for trust in --min-version=5 --fill=now; do
	attach trust2 "$trust" "$(nginx_url web x.hri)" 2>"$T/attach"
	assert_contains "on standard error" 'hydrootd: trust2: image: not authenticated: anybody .*: set digest= or public-key=' \
		"$T/attach"
	assert_contains "in the log" 'image: not authenticated: ' /run/hydroot/trust2/log
	status_key trust2 '.warnings[]' >"$T/warnings"
	assert_contains "in the status" '^image: not authenticated: .*: set digest= or public-key=$' "$T/warnings"
	hydroot detach trust2
done

refused 'HEAD: refused: no signature.* key id [0-9a-f]{16}; signed by [0-9a-f]{16}' x.hri \
	--public-key="$T/other.pub"
refused 'HEAD: refused: the image is not signed' unsigned.hri --public-key="$T/good.pub"
refused 'HEAD: refused: digest is sha256:[0-9a-f]{64}, wanted sha256:' unsigned.hri --digest="$digest"
refused 'HEAD: refused: version number 5 is lower than min-version 6' x.hri --min-version=6
refused 'META: refused: the image is for pdp11, this machine is ' pdp.hri
refused 'public-key .*good.key: not an Ed25519 public key' x.hri --public-key="$T/good.key"
flipped 300
refused 'HEAD at offset 0: refused: the head is damaged' flipped.hri
offset=$("$tool" info --json "$www/x.hri" | jq .sections.meta.offset)
flipped $((offset + 6))
refused "META at offset $offset: refused: wrong SHA-256" flipped.hri
offset=$("$tool" info --json "$www/x.hri" | jq .sections.page_table.offset)
flipped $((offset + 9))
refused "PAGE TABLE at offset $offset: refused: wrong SHA-256" flipped.hri
