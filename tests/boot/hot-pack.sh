#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# What one boot read is the hot pack of the next: that one fetches hardly anything on demand, less in
# all, and in fewer requests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
mkdir -p "$T/served"
start_nginx web "$T/served"
cp "$IMAGES/served/good/debian.hri" "$T/served/cold.hri"
# The same bytes in both: the pack is the only difference.
hydroot-image extract "$T/served/cold.hri" "$T/raw"

boot() # IMAGE: to login; sets $bytes, $requests, $demand, $hot, $waited, $millis
{
	local from log
	log=$(nginx_log web)
	: >"$log"
	from=$(now_ms)
	start_hydroot_guest "$1" "$IMAGES/boot/initramfs.img" \
		"http://$GUEST_HOST:${nginx_port[web]}/$1.hri" rd.hydroot.fill=manual
	wait_login "$1"
	millis=$(($(now_ms) - from))
	bytes=$(nginx_bytes "$log")
	requests=$(wc -l <"$log")
	wait_agent "$1"
	guest_hydroot "$1" 10 'trace --end root'
	demand=$(guest_status "$1" .fetched.demand_bytes)
	hot=$(guest_status "$1" .fetched.hot_bytes)
	waited=$(guest_status "$1" .demand.chunks)
	note "$1: login after $millis ms, $bytes bytes in $requests requests; demand $demand bytes," \
		"$waited chunks; hot $hot bytes"
}

boot cold
guest_hydroot cold 20 'trace root' >"$T/trace"
assert_contains "the trace" '^hydroot-trace 1 4096 ' "$T/trace"
guest cold 2 'echo o >/proc/sysrq-trigger' || true
wait_guest_end cold 30
cold_bytes=$bytes cold_requests=$requests cold_waited=$waited

note "building with $(wc -l <"$T/trace") lines of trace"
hydroot-image build --trace="$T/trace" "$T/raw" "$T/served/hot.hri"
rm "$T/raw"
packed=$(hydroot-image info --json "$T/served/hot.hri" | jq .sections.hot_pack.bytes)
boot hot
assert_manifest hot
assert_no_io_errors hot
guest hot 2 'echo o >/proc/sysrq-trigger' || true
wait_guest_end hot 30
assert_below "chunks fetched on demand, of $cold_waited without the pack" \
	$((cold_waited * 5 / 100 + 2)) "$waited"
assert_below "bytes at login, of $cold_bytes without the pack" "$cold_bytes" "$bytes"
assert_below "bytes at login, the pack having $packed" $((packed * 13 / 10 + 300000)) "$bytes"
assert_below "requests" "$cold_requests" "$requests"
