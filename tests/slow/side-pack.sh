#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# sanitizers: none
# A hot pack beside the image is used when it is signed, whole and of this image; else it costs one line, and the
# pack in the image is used.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
tool=$TOP/build/hydroot-image
mkdir -p "$T/served/packs"
start_nginx web "$T/served"
start_nginx packs "$T/served/packs"

# Two traces of the same image: one for the pack inside, one for the pack beside it.
digest=$("$tool" info "$image" | sed -n 's/^digest: //p')
raw_digest=$("$tool" info "$image" | sed -n 's/^raw-digest: //p')
data_offsets 120 3 >"$T/offsets"
trace_of() # FILE OF OFFSETS
{
	echo "hydroot-trace 1 4096 $digest $raw_digest"
	awk '{ print $1 / 4096, 1 }' "$1"
}
head -n 20 "$T/offsets" >"$T/inside"
tail -n 100 "$T/offsets" >"$T/beside"
trace_of "$T/inside" >"$T/inside.trace"
trace_of "$T/beside" >"$T/beside.trace"
"$tool" keygen "$T/key"
"$tool" build --trace="$T/inside.trace" --key="$T/key.key" "$raw" "$T/served/hot.hri"
"$tool" pack --trace="$T/beside.trace" --key="$T/key.key" "$T/served/hot.hri" "$T/served/packs/good"
"$tool" pack --trace="$T/beside.trace" "$T/served/hot.hri" "$T/served/packs/unsigned"
"$tool" pack --trace="$T/beside.trace" --key="$T/key.key" "$image" "$T/served/packs/stale"
size=$(stat -c %s "$T/served/packs/good")
head -c $((size - 1000)) "$T/served/packs/good" >"$T/served/packs/truncated"
head -c 5000 "$T/served/packs/good" >"$T/served/packs/headonly"
: >"$T/served/packs/empty"
echo '<html>This is not a pack.</html>' >"$T/served/packs/html"
flip() # NAME OFFSET
{
	local byte
	cp "$T/served/packs/good" "$T/served/packs/$1"
	byte=$(od -An -tu1 -j "$2" -N1 "$T/served/packs/$1" | tr -d ' ')
	printf '%b' "\\x$(printf %02x $((byte ^ 16)))" |
		dd of="$T/served/packs/$1" bs=1 seek="$2" conv=notrunc status=none
}
flip flipped-head 50
flip flipped-signature 560
flip flipped-table 4300
flip flipped-frame $((size - 1000))
expected_blocks "$raw" "$T/beside" >"$T/want.beside"
expected_blocks "$raw" "$T/inside" >"$T/want.inside"

# The pack has come when nothing has to be demanded for what is in it.
comes_with() # NAME OFFSETS
{
	local before
	before=$(status_key "$1" .demand.reads_waited_for_chunk)
	io readers "$device" "$T/got" "$2"
	[ "$(status_key "$1" .demand.reads_waited_for_chunk)" = "$before" ]
}

# use NAME OFFSETS PACK [OPTION...]: what is read of the pack that is to be used is right and not demanded
use()
{
	local name=$1 offsets=$2 pack=$3
	shift 3
	attach "$name" --fill=manual --pack="$pack" "$@" "$(nginx_url web hot.hri)"
	wait_for 20 "the pack's requests" pack_is_done "$name" "$offsets"
	assert "what the pack brought was demanded" comes_with "$name" "$T/$offsets"
	assert "what the pack brought" cmp "$T/got" "$T/want.$offsets"
}

# Its frames are all there when the bytes do not grow any more.
pack_is_done()
{
	local bytes
	bytes=$(status_key "$1" .fetched.hot_bytes)
	[ "$bytes" -gt 20000 ] || return 1
	sleep 0.5
	[ "$(status_key "$1" .fetched.hot_bytes)" = "$bytes" ]
}

finish() # NAME LINES-ABOUT-PACKS [all]: no more is said, and all of the image arrives
{
	cat "/run/hydroot/$1/log" >"$T/log"
	assert_equal "$1: lines about packs" "$2" "$(grep -ciE 'pack' "$T/log" || true)"
	if [ "${3-}" = all ]; then
		hydroot resume "$1"
		timeout 100 dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" ||
			fail "$1: the device differs"
	fi
	hydroot detach "$1"
}

note "a good one, by its URL and by its name, signed and not, with a key and without"
use sp1 beside "$(nginx_url packs good)" --public-key="$T/key.pub"
finish sp1 0 all
use sp2 beside packs/good --public-key="$T/key.pub"
finish sp2 0
use sp3 beside "$(nginx_url packs unsigned)"
finish sp3 0

for pack in missing unsigned stale truncated headonly empty html flipped-head flipped-signature \
	flipped-table flipped-frame; do
	note "$pack"
	use sp4 inside "$(nginx_url packs $pack)" --public-key="$T/key.pub"
	case $pack in
	truncated | flipped-frame) finish sp4 1 all ;;
	*) finish sp4 1 ;;
	esac
	assert_contains "$pack" 'hot pack beside the image: not used any further: ' "$T/log"
done

note "a server that is not there"
stop_nginx packs
use sp5 inside "$(nginx_url packs good)" --public-key="$T/key.pub"
finish sp5 1
restart_nginx packs

digest_of() { "$tool" info "$1" | sed -n 's/^digest: //p'; } # FILE
pinned=$(nginx_url packs unsigned)#$(digest_of "$T/served/packs/unsigned")
other=$(nginx_url packs unsigned)#$(digest_of "$T/served/hot.hri")

note "the digest of the image does not cover it: it needs one of its own"
use sp6 inside "$(nginx_url packs good)" --digest="$(digest_of "$T/served/hot.hri")"
finish sp6 1
assert_contains "the way out" 'give pack=URL#sha256:HEX, HEX as .hydroot-image info. prints' "$T/log"
use sp7 beside "$pinned" --digest="$(digest_of "$T/served/hot.hri")"
finish sp7 0 all
use sp8 beside "packs/${pinned##*/}"
finish sp8 0

note "the digest of another pack, and what does not replace a signature"
for trust in "--digest=$(digest_of "$T/served/hot.hri")" --debug=0; do
	use sp9 inside "$other" "$trust"
	finish sp9 1
	assert_contains "another one" \
		"used any further: not the one that pack= names: its digest is ${pinned##*#}" "$T/log"
done
use sp10 inside "$pinned" --public-key="$T/key.pub"
finish sp10 1
assert_contains "not signed" 'not used any further: the hot pack is not signed, key id [0-9a-f]{16}' "$T/log"
