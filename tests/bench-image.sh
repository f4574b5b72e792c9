#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench-image.sh - hydroot-image beside zstd on the same input, level and number of threads
#
#	tests/bench-image.sh [INPUT]
#	tests/bench-image.sh --levels [INPUT]	a table: LEVELS (1 to 12) by CHUNKS (128K to 4M)
#
# INPUT is a filesystem image; without one it is that of the boot tests, if it has been made, else
# an ext4 of what /usr holds, up to 512 MiB.  Runs are paired: each round runs all programs one
# after the other, and the ratio of a round is that of its own times, so that a busy machine
# disturbs both sides.  A first round, which pays for fresh memory, is not counted.  ROUNDS (5),
# LEVEL (6), JOBS (2) and CHUNK (512K) change it.  Everything is in /dev/shm if that is there.
#
# The table has one run for each cell, and CPU seconds (user and system) in place of the clock, which
# other work on the machine disturbs: size and time as parts of zstd's at the same level.
#
# Exits with 1 when it is slower or larger than wanted.

. "$(dirname "$0")/lib.sh"
requires zstd mke2fs
rounds=${ROUNDS:-5} level=${LEVEL:-6} jobs=${JOBS:-2} chunk=${CHUNK:-512K}
[ ! -w /dev/shm ] || { D=$(mktemp -d /dev/shm/hydroot-bench.XXXXXX) && defer rm -rf "$D"; }
D=${D:-$T}

make_input()
{
	local dir kib sum=0
	mkdir "$D/tree"
	for dir in /usr/bin /usr/lib/x86_64-linux-gnu /usr/share /usr/lib; do
		[ -d "$dir" ] || continue
		while read -r file; do
			kib=$(($(stat -c %s "$file") / 1024 + 4))
			sum=$((sum + kib))
			[ $sum -lt 491520 ] || break 2
			cp --parents -P "$file" "$D/tree" 2>/dev/null || true
		done < <(find "$dir" -xdev -type f -size -20M 2>/dev/null | LC_ALL=C sort | head -n 12000)
	done
	mke2fs -q -t ext4 -b 4096 -m 0 -E lazy_itable_init=0,lazy_journal_init=0 \
		-d "$D/tree" "$D/input" 640M
	rm -rf "$D/tree"
}

# seconds COMMAND...: prints how long it took
seconds()
{
	local start=${EPOCHREALTIME//[.,]/}
	"$@" >/dev/null 2>"$T/err" || { cat "$T/err" >&2; fail "$*"; }
	awk -v us=$((${EPOCHREALTIME//[.,]/} - start)) 'BEGIN { printf "%.3f\n", us / 1e6 }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", v[int((NR + 1) / 2)] }'; }

# ratio_of A B: median of A / B over the rounds
ratio_of() { paste "$T/$1" "$T/$2" | awk '{ print $1 / $2 }' | median; }

row() # WHAT FILE MIB
{
	local s
	s=$(median <"$T/$2")
	awk -v w="$1" -v s="$s" -v m="$3" 'BEGIN { printf "%-28s %7.2f s %8.0f MiB/s\n", w, s, m / s }'
}

# cpu_seconds COMMAND...: prints what all its threads took
cpu_seconds()
{
	local TIMEFORMAT='%U %S'
	{ time "$@" >/dev/null 2>"$T/err" || fail "$*: $(cat "$T/err")"; } 2>&1 |
		awk '{ printf "%.2f\n", $1 + $2 }'
}

levels_table()
{
	local level chunk cpu zstd_cpu zstd_bytes
	read -ra levels <<<"${LEVELS:-1 2 3 4 5 6 7 8 9 10 11 12}"
	read -ra chunks <<<"${CHUNKS:-128K 256K 512K 1M 4M}"
	printf '%-7s%26s' level "zstd -T$jobs"
	printf '%18s' "${chunks[@]}"
	echo
	for level in "${levels[@]}"; do
		zstd_cpu=$(cpu_seconds zstd -q -f -T"$jobs" -"$level" "$D/input" -o "$D/z.zst")
		zstd_bytes=$(stat -c %s "$D/z.zst")
		printf '%-7s%26s' "$level" "$((zstd_bytes / 1000)) kB, $zstd_cpu s"
		for chunk in "${chunks[@]}"; do
			cpu=$(cpu_seconds hydroot-image build --jobs="$jobs" --level="$level" \
				--chunk-size="$chunk" "$D/input" "$D/z.hri")
			awk -v a="$(stat -c %s "$D/z.hri")" -v b="$zstd_bytes" -v c="$cpu" -v d="$zstd_cpu" \
				'BEGIN { printf "%18s", sprintf("%+.1f%%, x%.2f", (a / b - 1) * 100, c / d) }'
		done
		echo
	done
}

table=''
[ "${1-}" != --levels ] || { table=yes; shift; }
input=${1:-$IMAGES/base/rootfs.ext4}
if [ -e "$input" ]; then cp --sparse=always "$input" "$D/input"; else make_input; fi
mib=$(($(stat -c %s "$D/input") / 1048576))
if [ -n "$table" ]; then
	levels_table
	exit 0
fi
for ((i = 0; i <= rounds; i++)); do
	[ $i != 1 ] || rm -f "$T"/{zstd,build,unzstd,extract,verify}
	rm -f "$D/z.zst" "$D/z.hri" "$D/z.out" "$D/h.out"
	seconds zstd -q -f -T"$jobs" -"$level" "$D/input" -o "$D/z.zst" >>"$T/zstd"
	seconds hydroot-image build --jobs="$jobs" --level="$level" --chunk-size="$chunk" \
		"$D/input" "$D/z.hri" >>"$T/build"
	seconds zstd -q -f -d "$D/z.zst" -o "$D/z.out" >>"$T/unzstd"
	seconds hydroot-image extract --jobs="$jobs" "$D/z.hri" "$D/h.out" >>"$T/extract"
	seconds hydroot-image verify --jobs="$jobs" "$D/z.hri" >>"$T/verify"
done
cmp "$D/input" "$D/h.out" || fail "extract gives other bytes"
size=$(awk -v a="$(stat -c %s "$D/z.hri")" -v b="$(stat -c %s "$D/z.zst")" \
	'BEGIN { printf "%.3f", a / b }')

echo "$mib MiB ($(($(stat -c %b "$D/input") / 2048)) of them not holes), level $level, chunks of $chunk, $jobs threads," \
	"medians of $rounds rounds"
row "zstd -T$jobs -$level" zstd "$mib"
row "hydroot-image build" build "$mib"
row "zstd -d" unzstd "$mib"
row "hydroot-image extract" extract "$mib"
row "hydroot-image verify" verify "$mib"
build=$(ratio_of zstd build) extract=$(ratio_of unzstd extract)
echo "build / zstd throughput: $build (wanted: 1.00)"
echo "extract / zstd -d throughput: $extract (wanted: 1.20)"
echo "size / zstd's: $size (wanted: at most 1.08)"
reached() { awk -v r="$1" -v w="$2" 'BEGIN { exit !(r >= w) }'; } # RATIO WANTED
reached "$build" 1 || fail "build is slower than zstd"
reached "$extract" 1.2 || fail "extract is slower than 1.2 times zstd -d"
awk -v s="$size" 'BEGIN { exit !(s <= 1.08) }' || fail "more than 8% larger than zstd's"
