#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 240
# sanitizers: none
# A flipped byte in HEAD, META or the page table: attach refuses, naming the section.  In an index page, the hot
# pack or a chunk: the daemon refuses at first use, saying which one, and the bytes come from another server.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
tool=$TOP/build/hydroot-image
mkdir "$T/good" "$T/bad"

# With a hot pack of some blocks all over it, so that it has several frames.
{
	"$tool" info --json "$image" | jq -r '"hydroot-trace 1 4096 \(.digest) \(.raw_digest)"'
	data_offsets 150 7 | while read -r offset; do echo "$((offset / 4096)) 1"; done | sort -un
} >"$T/trace"
"$tool" build --chunk-size=64K --level=1 --trace="$T/trace" "$raw" "$T/good/x.hri" 2>/dev/null
image=$T/good/x.hri chunk_bytes=65536
info=$("$tool" info --json "$image")
at() { jq -r ".sections.$1.offset" <<<"$info"; }
bytes() { jq -r ".sections.$1.bytes" <<<"$info"; }
start_nginx good "$T/good"
start_nginx bad "$T/bad"

flip() # OFFSET: a copy with that byte turned round
{
	local byte
	cp --reflink=auto "$image" "$T/bad/x.hri"
	byte=$(od -An -tu1 -j "$1" -N1 "$image")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %03o $((255 - byte)))" | dd of="$T/bad/x.hri" bs=1 seek="$1" conv=notrunc status=none
}

# refused SECTION PLACE OFFSET...
refused()
{
	local section=$1 place=$2 offset
	shift 2
	for offset; do
		flip "$offset"
		defer end_attachment flips0
		if hydroot attach --name=flips0 --fill=manual --attach-timeout=2s "$(nginx_url bad x.hri)" >"$T/out" 2>&1; then
			fail "attached with byte $offset of $section flipped"
		fi
		assert_contains "byte $offset" "not attached: $section at offset $place: refused: " "$T/out"
	done
	note "$section: refused"
}
refused HEAD 0 0 9 33 200 511 1000 4095
refused META "$(at meta)" "$(at meta)" $(($(at meta) + $(bytes meta) - 1))
refused 'PAGE TABLE' "$(at page_table)" "$(at page_table)" $(($(at page_table) + $(bytes page_table) / 2)) \
	$(($(at page_table) + $(bytes page_table) - 1))

# at_first_use WHAT OFFSET PATTERN SERVER...: the image's bytes, and which part was wrong is in the log
at_first_use()
{
	local name=flips$((++round))
	flip "$2"
	attach $name --timeout=5s "${@:4}" 2>"$T/attach.log"
	expect_exit 0 hydroot wait $name --for=resident --timeout=60s
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "$1: other bytes"
	daemon_log $name >"$T/log"
	assert_contains "$1: which it was" "$3" "$T/log"
	hydroot detach $name
	note "$1: $(grep -oE "$3" "$T/log" | head -n 1)"
}
round=0
page=2
bad=$(nginx_url bad x.hri) good=$(nginx_url good x.hri)
at_first_use 'an index page' $(($(at index_pages) + page * 36864 + 777)) "index page $page: refused" "$bad" "$good"
at_first_use 'the table of the hot pack' $(($(at hot_pack) + 70)) "table of the hot pack at offset $(at hot_pack): " "$bad" "$good"
# A pack is a copy: nobody else is needed.
at_first_use 'that table, and no other server' $(($(at hot_pack) + 70)) \
	"hot pack: not used any further: table at offset $(at hot_pack): " "$bad"
at_first_use 'a frame of the hot pack' $(($(at hot_pack) + $(bytes hot_pack) - 5)) 'frame [0-9]+ of the hot pack at offset [0-9]+: ' "$bad" "$good"
at_first_use 'a chunk' $(($(at data) + $(bytes data) / 2)) 'chunk [0-9]+: refused' "$bad" "$good"
