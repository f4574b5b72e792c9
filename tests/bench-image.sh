#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench-image.sh - hydroot-image beside zstd on the same input, level and number of threads
#
#	tests/bench-image.sh [INPUT]
#
# INPUT is a filesystem image; without one it is that of the boot tests, if it has been made, else
# an ext4 of what /usr holds, up to 512 MiB.  Runs are paired: each round runs all programs one
# after the other, and the ratio of a round is that of its own times, so that a busy machine
# disturbs both sides.  A first round, which pays for fresh memory, is not counted.  ROUNDS (5),
# LEVEL (9), JOBS (2) and CHUNK (512K) change it.  Everything is in /dev/shm if that is there.

. "$(dirname "$0")/lib.sh"
requires zstd mke2fs
rounds=${ROUNDS:-5} level=${LEVEL:-9} jobs=${JOBS:-2} chunk=${CHUNK:-512K}
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

input=${1:-$IMAGES/base/rootfs.ext4}
if [ -e "$input" ]; then cp --sparse=always "$input" "$D/input"; else make_input; fi
mib=$(($(stat -c %s "$D/input") / 1048576))
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
echo "build / zstd throughput: $(ratio_of zstd build) (wanted: 1.00)"
echo "extract / zstd -d throughput: $(ratio_of unzstd extract) (wanted: 1.20)"
echo "size / zstd's: $size (wanted: at most 1.08)"
