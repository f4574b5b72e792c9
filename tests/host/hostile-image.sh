#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# sanitizers: none
# Images made by somebody without the key, or by somebody who wants to do harm: right where a reader looks first,
# hostile behind that.  Nothing of them is ever read, the daemon neither crashes nor grows, and where
# another server has the image its bytes come.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq zstd hydrootd
host_image
tool=$TOP/build/hydroot-image
limit_kb=$((64 * 1024))
mkdir "$T/good" "$T/evil"
"$tool" keygen "$T/key"
"$tool" build --chunk-size=64K --level=1 --key="$T/key.key" "$raw" "$T/good/x.hri" 2>/dev/null
evidence+=("$T/out")
image=$T/good/x.hri chunk_bytes=65536
start_nginx good "$T/good"
start_nginx evil "$T/evil"
info=$("$tool" info --json "$image")
section() { jq -r ".sections.$1" <<<"$info"; } # NAME.offset or NAME.bytes

defer end_attachment himage1
defer end_attachment himage2
# As `attach`, but these come and go.
attach_here() # NAME ARGUMENT...
{
	device=/dev/hydroot/$1
	hydroot attach --name="$1" "${@:2}" || fail "hydroot attach $*"
}

# Keeper and serve are there, and together not larger than they may be.
check_daemon() # NAME WHAT
{
	local kb
	kb=$(for pid in $(daemon_pids "$1"); do
		if grep -qE '^Uid:[[:space:]]+0' "/proc/$pid/status"; then grep '^VmHWM' "/proc/$pid/status"; fi
	done | awk '{ n += $2; i++ } END { print i == 2 ? n + 0 : 999999999 }')
	assert_below "$2: KB of keeper and serve, at most" "$limit_kb" "$kb"
}

# --- the signed image, with something else behind its head ------------------------------------------

fake() { cp "$image" "$T/evil/x.hri"; } # anew, from the good one
put() # OFFSET FILE [BYTES]
{
	head -c "${3:-1000000000}" "$2" | dd of="$T/evil/x.hri" bs=64K oflag=seek_bytes seek="$1" conv=notrunc status=none
}

# Attaches with the hostile server first; reads go round it.
attack() # WHAT
{
	attach_here himage1 --fill=manual --timeout=2s --public-key="$T/key.pub" --server="$(nginx_url good x.hri)" \
		"$(nginx_url evil x.hri)" >"$T/out" 2>&1
	data_offsets 60 "$RANDOM" >"$T/offsets"
	timeout 60 io readers "$device" "$T/got" "$T/offsets" >"$T/readers" || fail "$1: a read failed"
	expected_blocks "$raw" "$T/offsets" >"$T/want"
	assert "$1: the bytes are the image's" cmp "$T/got" "$T/want"
	check_daemon himage1 "$1"
	assert "$1: the server's errors are counted" test "$(status_key himage1 '.servers[0].errors')" -gt 0
	hydroot detach himage1
	note "$1"
}

fake
head -c 1G /dev/zero | zstd -q -1 -T0 --no-check >"$T/bomb"
n=$(($(section data.bytes) / $(stat -c %s "$T/bomb") + 1))
for ((i = 0; i < n; i++)); do cat "$T/bomb"; done >"$T/bombs"
put "$(section data.offset)" "$T/bombs" "$(section data.bytes)"
attack 'zstd bombs for chunks'
fake
head -c 100000000 /dev/urandom >"$T/random"
put "$(section data.offset)" "$T/random" "$(section data.bytes)"
attack 'random bytes for chunks'
fake
put "$(section index_pages.offset)" "$T/random" "$(section index_pages.bytes)"
attack 'a random index'
fake
head -c 1000000 /dev/zero | tr '\0' '\377' >"$T/ones"
put "$(section index_pages.offset)" "$T/ones" "$(section index_pages.bytes)"
attack 'an index of the largest numbers'
fake
put "$(section page_table.offset)" "$T/ones" "$(section page_table.bytes)"
attack 'a page table of the largest numbers'
fake
put "$(section meta.offset)" "$T/ones" "$(section meta.bytes)"
attack 'other META'
fake
put 300 "$T/random" 8
attack 'another HEAD'
fake
truncate -s 200000 "$T/evil/x.hri"
attack 'an image cut off'
fake
truncate -s +5000000 "$T/evil/x.hri"
attack 'an image with more behind it'
head -c 5000000 /dev/zero >"$T/evil/x.hri"
attack 'zeros'
cp "$T/bomb" "$T/evil/x.hri"
attack 'a zstd file that is none of ours'
"$tool" keygen "$T/other"
"$tool" build --level=1 --key="$T/other.key" "$T/bomb" "$T/evil/x.hri" 2>/dev/null || "$tool" build --level=1 \
	--key="$T/other.key" --chunk-size=1M "$raw" "$T/evil/x.hri" 2>/dev/null
attack 'an image signed by somebody else'

# --- images whose digests are right all the way down to a hostile chunk ------------------------------

for fault in digest not-zstd no-size no-checksum wrong-checksum dictionary wide-window two-frames other-length; do
	cp "tests/fixtures/should-fail-chunk-$fault.img" "$T/evil/$fault.hri"
	attach_here himage2 --fill=manual "$(nginx_url evil "$fault.hri")" >"$T/out" 2>&1
	io read "$device" 0 >"$T/read-$fault" 2>&1 &
	reader=$!
	said() { daemon_log himage2 | grep -E 'chunk 0\b.*: refused' >"$T/said"; }
	wait_for 10 "$fault: the log to say what is wrong with the chunk" said
	refute "$fault: the hostile chunk was read" grep -q '^[0-9]' "$T/read-$fault"
	check_daemon himage2 "$fault"
	note "$fault: $(sed 's/.*chunk 0/chunk 0/' "$T/said" | head -n 1)"
	# The read waits for ever, as it must: it ends with the daemon.
	kill_daemons himage2
	wait $reader && fail "$fault: the hostile chunk was read"
	wait_for 10 "detach" hydroot detach himage2
done
