#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
# alone: what it looks for happens at certain times of the boot
# What one boot read is the hot pack of the next: that one fetches hardly anything on demand, less in
# all, and in fewer requests.  With SLOW_LINE=1 the same over a slow and distant line, too: 25 Mbit/s and 50 ms.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/slowline.sh
. "$TOP/tests/slowline.sh"
requires root qemu-system-x86_64 nginx jq tc ip hydrootd
tests/image.sh all
mkdir -p "$T/served"
start_nginx web "$T/served"
cp "$IMAGES/served/good/debian.hri" "$T/served/cold.hri"
# The same bytes in both: the pack is the only difference.
hydroot-image extract "$T/served/cold.hri" "$T/raw"

# boot NAME IMAGE INITRAMFS NGINX URL: to login; sets $bytes, $requests, $demand, $hot, $millis, $reads,
# $waited: the reads that waited for a chunk, and $wait_ms
boot()
{
	local name=$1 image=$2 from log
	log=$(nginx_log "$4")
	: >"$log"
	from=$(now_ms)
	start_hydroot_guest "$name" "$3" "$5/$image.hri" rd.hydroot.fill=manual
	wait_login "$name"
	millis=$(($(now_ms) - from))
	bytes=$(nginx_bytes "$log")
	requests=$(wc -l <"$log")
	wait_agent "$name"
	guest_hydroot "$name" 20 'trace --end root'
	demand=$(guest_status "$name" .fetched.demand_bytes)
	hot=$(guest_status "$name" .fetched.hot_bytes)
	reads=$(guest_status "$name" .demand.reads)
	waited=$(guest_status "$name" .demand.reads_waited_for_chunk)
	# Seconds of all reads together: login also depends on how busy the host is.
	wait_ms=$(guest_status "$name" '.demand.wait_seconds.sum * 1000 | floor')
	note "$name: login after $millis ms, $bytes bytes in $requests requests; demand $demand, hot $hot," \
		"ahead $(guest_status "$name" .fetched.ahead_bytes) bytes;" \
		"$waited of $reads reads waited for a chunk," \
		"$(guest_status "$name" .demand.reads_waited) for anything, $wait_ms ms in all"
}

end_guest() # NAME
{
	guest "$1" 2 'echo o >/proc/sysrq-trigger' || true
	wait_guest_end "$1" 60
}

# What an attach fetches in one request: the head of the file, whatever is in it.
attach_bytes=262144

# After the boots without the pack, of which remember kept the figures, and with it
remember() { cold_bytes=$bytes cold_requests=$requests cold_millis=$millis cold_wait_ms=$wait_ms; }
compare()
{
	note "with the pack / without: $((bytes * 100 / cold_bytes))% of the bytes," \
		"$((requests * 100 / cold_requests))% of the requests," \
		"$((millis * 100 / cold_millis))% of the time to login," \
		"$((wait_ms * 100 / cold_wait_ms))% of the time that reads waited;" \
		"bytes / pack: $(((bytes - attach_bytes) * 100 / packed))%;" \
		"$((waited * 1000 / reads)) of 1000 reads waited for a chunk"
	assert_below "reads that waited for a chunk, of $reads" $((reads * 5 / 100)) "$waited"
	assert_below "bytes at login, of $cold_bytes without the pack" "$cold_bytes" "$bytes"
	assert_below "bytes at login, the pack having $packed" \
		$((packed * 13 / 10 + attach_bytes)) "$bytes"
	assert_below "requests" "$cold_requests" "$requests"
	assert_below "ms that reads waited" "$cold_wait_ms" "$wait_ms"
}

boot cold cold "$IMAGES/boot/initramfs.img" web "http://$GUEST_HOST:${nginx_port[web]}"
guest_hydroot cold 20 'trace root' >"$T/trace"
assert_contains "the trace" '^hydroot-trace 1 4096 ' "$T/trace"
end_guest cold
remember

note "building with $(wc -l <"$T/trace") lines of trace"
hydroot-image build --trace="$T/trace" "$T/raw" "$T/served/hot.hri"
rm "$T/raw"
packed=$(hydroot-image info --json "$T/served/hot.hri" | jq .sections.hot_pack.bytes)
boot hot hot "$IMAGES/boot/initramfs.img" web "http://$GUEST_HOST:${nginx_port[web]}"
assert_manifest hot
assert_no_io_errors hot
end_guest hot
compare

[ -n "${SLOW_LINE-}" ] || exit 0
note "25 Mbit/s, 50 ms"
slow_line
slow_rate 25mbit
start_slow_nginx line "$T/served" 8000
delayed_initramfs 50 "$T/initramfs" --hook tests/boot/tools.hook
boot slow-cold cold "$T/initramfs" line "http://$slow_net.2:8000"
end_guest slow-cold
remember
boot slow-hot hot "$T/initramfs" line "http://$slow_net.2:8000"
assert_no_io_errors slow-hot
end_guest slow-hot
compare
