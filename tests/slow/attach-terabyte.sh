#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# A terabyte attaches with at most 2 requests and 256 KiB, and the daemon's processes stay within 64 MiB
# in all, also after reads all over it: index pages come as they are needed.  Figures are printed.
# In hybrid, and in stream, the mode that is made for this.  MODE is only one of them; DATA_MIB (2048) is how much
# is data.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop nginx jq mke2fs hydrootd
mib=${DATA_MIB:-2048} name=terabyte
limit_kib=65536

mkdir "$T/www"
truncate -s 1T "$T/fs" || skip "this filesystem has no files of 1 TiB"
# lazy: a table of inodes for a terabyte is 16 GiB of zeros that nobody needs
mke2fs -q -t ext4 -b 4096 -m 0 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$T/fs"
for ((i = 0; i < 8; i++)); do
	head -c $((mib / 8))M /dev/urandom |
		dd of="$T/fs" bs=1M seek=$((i * 131072 + 7777)) conv=notrunc status=none
done
start=$(now_ms)
hydroot-image build --level=1 "$T/fs" "$T/www/tera.hri" 2>/dev/null
note "built in $(seconds_since "$start") s: $(stat -c %s "$T/www/tera.hri") bytes"
start_nginx web "$T/www"
log=$(nginx_log web)

memory() # prints the most KiB that were resident of keeper, serve and net; what they share is counted for each
{
	local pid
	for pid in $(daemon_pids $name); do
		awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status"
	done | awk '{ n += $1 } END { print n }'
}

requests() { wc -l <"$log"; }

measure() # MODE
{
	local mode=$1 start requests bytes kib i at

	: >"$log"
	start=$(now_ms)
	attach $name --mode="$mode" --store=memory --fill=manual "$(nginx_url web tera.hri)"
	requests=$(requests) bytes=$(nginx_bytes "$log") kib=$(memory)
	echo "mode $mode, 1 TiB, $mib MiB of it data: attach: $requests requests, $bytes bytes," \
		"$(seconds_since "$start") s, $kib KiB of memory"
	[ "$requests" -le 2 ] || fail "attach took $requests requests"
	[ "$bytes" -le 262144 ] || fail "attach took $bytes bytes"
	assert_below "memory after attach in KiB" $limit_kib "$kib"
	assert_equal "size of the device" $((1 << 40)) "$(blockdev --getsize64 "$device")"

	# One block of each of 256 index pages, and one of data beside each eighth: few bytes, many pages.
	for ((i = 0; i < 256; i++)); do
		dd if="$device" iflag=direct bs=4096 count=1 skip=$((i * 1048576 + 12345)) status=none >/dev/null
	done
	for ((i = 0; i < 8; i++)); do
		at=$(((i * 131072 + 7777) * 256 + 11))
		dd if="$device" iflag=direct bs=4096 count=64 skip=$at status=none |
			cmp - <(dd if="$T/fs" bs=4096 count=64 skip=$at status=none) || fail "other bytes"
	done
	kib=$(memory)
	echo "after reads all over it: $(($(requests) - requests)) requests," \
		"$(($(nginx_bytes "$log") - bytes)) bytes, $kib KiB of memory"
	assert_below "memory after reads in KiB" $limit_kib "$kib"
	hydroot detach $name
}

for mode in ${MODE:-hybrid stream}; do measure "$mode"; done
