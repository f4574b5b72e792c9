#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# What one attachment read is in the hot pack of the next, and is there without a demand fetch; a pack beside the image is
# used under digest= by its own digest only.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
mkdir -p "$T/served"
ln "$image" "$T/served/test.hri" 2>/dev/null || cp "$image" "$T/served/test.hri"
start_nginx web "$T/served"

attach hot1 --fill=manual "$(nginx_url web test.hri)"
note "recording"
data_offsets 80 11 >"$T/offsets"
io readers "$device" "$T/got" "$T/offsets"
hydroot trace --end hot1
dd if="$device" iflag=direct bs=1M skip=100 count=4 status=none of=/dev/null
hydroot trace hot1 >"$T/trace"
assert_contains "head of the trace" '^hydroot-trace 1 4096 sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}$' \
	"$T/trace"
without=$(status_key hot1 .fetched.demand_bytes)
refute "a read after the mark counts" grep -qE '^2560[0-9] ' "$T/trace"
assert_equal "the file is root's alone" 600 "$(stat -c %a /run/hydroot/hot1/trace)"
hydroot detach hot1
refute "the run directory is left" test -e /run/hydroot/hot1

note "building with the trace: $(wc -l <"$T/trace") lines"
"$TOP/build/hydroot-image" build --trace="$T/trace" "$raw" "$T/served/hot.hri"
hot_bytes=$("$TOP/build/hydroot-image" info --json "$T/served/hot.hri" |
	jq .sections.hot_pack.bytes)
attach hot2 --fill=manual "$(nginx_url web hot.hri)"
# The table may have come with the first bytes of the file.
hot_is_there() { [ "$(status_key hot2 .fetched.hot_bytes)" -ge $((hot_bytes * 9 / 10)) ]; }
wait_for 20 "the hot pack" hot_is_there
sleep 0.5
io readers "$device" "$T/got" "$T/offsets"
expected_blocks "$raw" "$T/offsets" >"$T/want"
assert "blocks of the hot pack are the image's" cmp "$T/got" "$T/want"
demand=$(status_key hot2 .fetched.demand_bytes)
note "pack $hot_bytes bytes; demand $demand bytes, without the pack $without"
assert_below "demand bytes beside the pack" $((without / 20)) "$demand"

note "everything else arrives too"
hydroot resume hot2
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
expect_exit 0 hydroot wait hot2 --for=resident --timeout=60s
refute "a block of the pack was wrong" grep -q 'hot pack' <(daemon_log hot2)

note "a pack that was damaged on the way costs two lines, and is an error of the server"
offset=$("$TOP/build/hydroot-image" info --json "$T/served/hot.hri" |
	jq '.sections.hot_pack | .offset + .bytes - 1000')
cp "$T/served/hot.hri" "$T/served/bad.hri"
byte=$(od -An -tu1 -j "$offset" -N1 "$T/served/bad.hri" | tr -d ' ')
printf '%b' "\\x$(printf %02x $((byte ^ 16)))" |
	dd of="$T/served/bad.hri" bs=1 seek="$offset" conv=notrunc status=none
attach hot3 "$(nginx_url web bad.hri)"
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
expect_exit 0 hydroot wait hot3 --for=resident --timeout=60s
daemon_log hot3 >"$T/log3"
assert_equal "lines about the pack" 2 "$(grep -c 'hot pack' "$T/log3")"
assert_contains "whose it was" 'bad.hri \[at ([0-9]+)\]: wrong bytes: frame [0-9]+ of the hot pack at offset \1: ' "$T/log3"
assert_contains "what follows" 'hot pack: not used any further: frame [0-9]+ at offset [0-9]+: ' "$T/log3"
assert_contains "the server's error" 'wrong bytes at [0-9]+: frame ' <(status_key hot3 '.servers[0].last_error')
assert_equal "the server's errors" 1 "$(status_key hot3 '.servers[0].errors')"

note "beside the image, under the image's digest: by a digest of its own only"
tool=$TOP/build/hydroot-image
digest_of() { "$tool" info --json "$T/served/$1" | jq -r .digest; } # FILE
"$tool" pack --trace="$T/trace" "$T/served/test.hri" "$T/served/test.pack"
beside() # NAME PACK LINES-ABOUT-IT
{
	attach "$1" --fill=manual --digest="$(digest_of test.hri)" --pack="$2" "$(nginx_url web test.hri)"
	[ "$3" != 0 ] || wait_for 20 "the hot pack" hot_is_there_of "$1"
	io readers "$device" "$T/got" "$T/offsets"
	assert "blocks are the image's" cmp "$T/got" "$T/want"
	daemon_log "$1" >"$T/log"
	assert_equal "$1: lines about the pack" "$3" "$(grep -c 'hot pack' "$T/log" || true)"
	bytes=$(status_key "$1" .fetched.hot_bytes)
	hydroot detach "$1"
}
hot_is_there_of() { [ "$(status_key "$1" .fetched.hot_bytes)" -ge $((hot_bytes * 9 / 10)) ]; }
beside hot4 "test.pack#$(digest_of test.pack)" 0
beside hot5 "test.pack#$(digest_of test.hri)" 1
assert_contains "another pack" "not the one that pack= names: its digest is $(digest_of test.pack)\$" "$T/log"
assert_below "bytes of another pack" 65536 "$bytes"
beside hot6 test.pack 1
assert_contains "no digest of its own" 'not used: digest= does not cover it: give pack=URL#sha256:HEX' "$T/log"
assert_equal "bytes of it" 0 "$bytes"
