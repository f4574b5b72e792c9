#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
# alone: what it looks for happens at certain times of the boot
# What one boot read is the hot pack of the next: that one fetches hardly anything on demand, less in
# all, and in fewer requests.  With SLOW_LINE=1 the same over a slow and distant line, too: 25 Mbit/s and 50 ms.  The
# end of the trace is told by the unit that images have for it.
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
# $waited: the reads that waited for a chunk, and $wait_ms; $T/NAME.trace is what it read
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
	end_trace "$name"
	guest_hydroot "$name" 20 'trace root' >"$T/$name.trace"
	assert_contains "the trace of $name" '^hydroot-trace 1 4096 ' "$T/$name.trace"
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

# By the unit as it is installed, but that the image has no hydroot of its own.
end_trace() # NAME
{
	local lib=/run/hydroot-test/lib unit=hydroot-trace-end.service
	sed "s|/usr/local/sbin/hydroot|$lib/ld-linux-x86-64.so.2 --library-path $lib ${lib%/lib}/hydroot|" \
		"fuse-root/$unit" >"$T/$unit"
	guest "$1" 60 "printf '%s' '$(base64 -w 0 "$T/$unit")' | base64 -d >/run/systemd/system/$unit &&
		systemctl --quiet --runtime enable $unit && systemctl start $unit &&
		systemctl show -P ConditionResult -P ExecMainStatus $unit | sort | xargs" >"$T/$1.unit" 2>&1 ||
		fail "$unit did not start: $(cat "$T/$1.unit")"
	assert_equal "$unit: exit status, condition" "0 yes" "$(cat "$T/$1.unit")"
	assert_equal "why the trace ended" mark "$(guest_status "$1" .trace.ended)"
}

# touched NAME IMAGE: bytes of all blocks that the boot read, compressed as a pack has them
touched()
{
	hydroot-image pack --trace="$T/$1.trace" "$T/served/$2.hri" "$T/$1.pack" >"$T/$1.pack.log" 2>&1 ||
		fail "pack: $(cat "$T/$1.pack.log")"
	hydroot-image info --json "$T/$1.pack" | jq .file_bytes
}

end_guest() # NAME
{
	guest "$1" 2 'echo o >/proc/sysrq-trigger' || true
	wait_guest_end "$1" 60
}

# After the boots without the pack, of which remember kept the figures, and with it
remember() { cold_bytes=$bytes cold_requests=$requests cold_millis=$millis cold_wait_ms=$wait_ms; }
compare() # NAME
{
	local touched
	touched=$(touched "$1" hot)
	note "with the pack / without: $((bytes * 100 / cold_bytes))% of the bytes," \
		"$((requests * 100 / cold_requests))% of the requests," \
		"$((millis * 100 / cold_millis))% of the time to login," \
		"$((wait_ms * 100 / cold_wait_ms))% of the time that reads waited;" \
		"bytes / blocks that it read: $((bytes * 100 / touched))%;" \
		"$((waited * 1000 / reads)) of 1000 reads waited for a chunk"
	assert_below "reads that waited for a chunk, of $reads" $((reads * 5 / 100)) "$waited"
	assert_below "bytes at login, of $cold_bytes without the pack" "$cold_bytes" "$bytes"
	assert_below "bytes at login, the blocks that it read having $touched" $((touched * 13 / 10)) "$bytes"
	assert_below "requests" "$cold_requests" "$requests"
	assert_below "ms that reads waited" "$cold_wait_ms" "$wait_ms"
}

boot cold cold "$IMAGES/boot/initramfs.img" web "http://$GUEST_HOST:${nginx_port[web]}"
end_guest cold
remember

note "building with $(wc -l <"$T/cold.trace") lines of trace"
hydroot-image build --trace="$T/cold.trace" "$T/raw" "$T/served/hot.hri"
rm "$T/raw"
boot hot hot "$IMAGES/boot/initramfs.img" web "http://$GUEST_HOST:${nginx_port[web]}"
assert_manifest hot
assert_no_io_errors hot
end_guest hot
compare hot

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
compare slow-hot
# Here the line decides, not how busy the host is.
assert_below "ms to login" "$cold_millis" "$millis"
