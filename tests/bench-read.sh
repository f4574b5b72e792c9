#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench-read.sh - reads, fill, requests, CPU and memory beside other ways to read an image over HTTP
#
#	make bench-read
#
# One nginx serves the image, as hydroot's file and raw; nbdkit's curl plugin with nbdfuse and
# qemu-storage-daemon's http driver with its FUSE export read the raw one, since they read no other.  Each
# measurement is taken ROUNDS (3) times, all candidates in turn, each cold: freshly attached.  The figures are
# the median and [least - most]; the last column is the median of a measurement's first line through that of
# this one: hydroot's through the candidate's.  What each measurement is, is said below the table.  The
# slow line is tests/faultproxy.c: 100 Mbit/s for all connections together, 5 ms there and back; it knows no
# slow start.  Under 5 minutes on 2 free cores.  The table is kept in build/bench-read.txt.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/proxy.sh
. "$TOP/tests/proxy.sh"
requires root fuse loop zram nginx jq fio curl zstd nbdkit nbdfuse qemu-storage-daemon hydrootd
rounds=${ROUNDS:-3}
host_image
mkdir "$T/www"
ln "$image" "$T/www/test.hri" 2>/dev/null || cp "$image" "$T/www/test.hri"
ln "$raw" "$T/www/raw" 2>/dev/null || cp "$raw" "$T/www/raw"
raw_bytes=$(stat -c %s "$raw")
start_nginx web "$T/www"
start_faultproxy slow web --rate=100Mbit --delay=2500us
log=$(nginx_log web)
out=$TOP/build/bench-read.txt

url_of() { if [ "$1" = fast ]; then nginx_url web "$2"; else proxy_url slow "$2"; fi; } # LINE FILE

# --- the results: one line each, MEASUREMENT CANDIDATE VALUE ---------------------------------------

result() { echo "$1|$2|$3" >>"$T/results"; } # MEASUREMENT CANDIDATE VALUE

timed() # COMMAND...: sets $seconds
{
	local start=${EPOCHREALTIME//[.,]/} status=0
	"$@" || status=$?
	seconds=$(awk -v us=$((${EPOCHREALTIME//[.,]/} - start)) 'BEGIN { printf "%.6f", us / 1e6 }')
	return $status
}

rate_of() { awk -v n="$1" -v s="$2" 'BEGIN { printf "%.1f", n / s / 1e6 }'; } # BYTES SECONDS: MB/s

# --- the candidates: start_X LINE, sets $file and $pids; stop_X -----------------------------------

start_hydroot() # LINE [ARGUMENT...]
{
	local line=$1
	shift
	hydroot attach --name=bench "$@" "$(url_of "$line" test.hri)" >/dev/null 2>"$T/attach.err" ||
		{ cat "$T/attach.err"; fail "hydroot attach"; }
	file=/dev/hydroot/bench
	mapfile -t pids < <(daemon_pids bench)
}
stop_hydroot() { hydroot detach bench; }
defer end_attachment bench

start_nbdkit() # LINE
{
	rm -f "$T/nbd.sock"
	nbdkit -f --exit-with-parent -U "$T/nbd.sock" curl "$(url_of "$1" raw)" >"$T/nbdkit.out" 2>&1 &
	pids=($!)
	wait_for 10 nbdkit test -S "$T/nbd.sock"
	mkdir -p "$T/nbd"
	nbdfuse --readonly "$T/nbd" "nbd+unix:///?socket=$T/nbd.sock" >"$T/nbdfuse.out" 2>&1 &
	pids+=($!)
	wait_for 10 nbdfuse test -s "$T/nbd/nbd"
	file=$T/nbd/nbd
}
stop_nbdkit()
{
	umount "$T/nbd"
	end_process "${pids[1]}"
	end_process "${pids[0]}"
}
defer umount -l "$T/nbd"

start_qemu() # LINE
{
	: >"$T/qsd"
	qemu-storage-daemon --blockdev "driver=raw,node-name=r,read-only=on,file.driver=http,file.url=$(url_of "$1" raw)" \
		--export "type=fuse,id=e,node-name=r,mountpoint=$T/qsd,writable=off" >"$T/qsd.out" 2>&1 &
	pids=($!)
	wait_for 10 qemu-storage-daemon test -s "$T/qsd"
	file=$T/qsd
}
stop_qemu()
{
	kill -9 "${pids[0]}"
	wait "${pids[0]}" 2>/dev/null || true
	umount -l "$T/qsd" 2>/dev/null || true
}
defer umount -l "$T/qsd"
candidates='hydroot nbdkit qemu'
start() { if [ "$1" = hydroot ]; then start_hydroot "$2" --fill=manual; else "start_$1" "$2"; fi; } # CANDIDATE LINE

# CPU seconds of $pids and of their children that ended; the most memory each had, in MB.
cpu_of()
{
	local pid
	for pid in "${pids[@]}"; do cat "/proc/$pid/stat" 2>/dev/null || true; done |
		sed 's/.*) //' | awk -v hz="$(getconf CLK_TCK)" '{ n += $12 + $13 + $14 + $15 } END { printf "%.2f", n / hz }'
}
peak_of()
{
	local pid
	for pid in "${pids[@]}"; do cat "/proc/$pid/status" 2>/dev/null || true; done |
		awk '/^VmHWM/ { n += $2 } END { printf "%.1f", n / 1024 }'
}

# The same of processes that end meanwhile, as the daemon does after its handover: watched 20 times a second until
# they are gone or usage_end is called.  No process is started for it.
usage_begin()
{
	rm -f "$T/watched"
	watch_usage "${pids[@]}" >"$T/usage" &
	watcher=$!
}
usage_end() # sets $cpu (seconds) and $peak (MB)
{
	touch "$T/watched"
	wait "$watcher"
	read -r cpu peak <"$T/usage"
}
watch_usage() # PID...
{
	local pid line key value rest ticks kib field most_ticks=0 most_kib=0 alive=1
	declare -A hwm=()
	while [ $alive = 1 ] && [ ! -e "$T/watched" ]; do
		alive=0 ticks=0 kib=0
		for pid; do
			{ read -r line <"/proc/$pid/stat"; } 2>/dev/null || continue
			alive=1
			read -ra field <<<"${line##*) }"
			# Also of children that ended and were waited for.
			ticks=$((ticks + field[11] + field[12] + field[13] + field[14]))
			while read -r key value rest; do
				[ "$key" != VmHWM: ] || hwm[$pid]=$value
			done 2>/dev/null <"/proc/$pid/status" || true
		done
		for value in "${hwm[@]}"; do kib=$((kib + value)); done
		[ $ticks -le $most_ticks ] || most_ticks=$ticks
		[ $kib -le $most_kib ] || most_kib=$kib
		read -rt 0.05 rest <>"$T/never" || true
	done
	awk -v t=$most_ticks -v hz="$(getconf CLK_TCK)" -v k=$most_kib 'BEGIN { printf "%.2f %.1f\n", t / hz, k / 1024 }'
}
mkfifo "$T/never"

wire_begin() { wire_lines=$(wc -l <"$log"); }
wire_result() # MEASUREMENT CANDIDATE
{
	sleep 0.1
	tail -n +$((wire_lines + 1)) "$log" >"$T/wire"
	result "$1, requests" "$2" "$(wc -l <"$T/wire")"
	result "$1, MB on the wire" "$2" "$(rate_of "$(nginx_bytes "$T/wire")" 1)"
}

# --- the measurements -----------------------------------------------------------------------------

read_sequential() { timeout -s KILL 20 dd if="$file" of=/dev/null bs=1M count="$1" status=none; }

# started CANDIDATE LINE COMMAND...: the command, with the candidate freshly started, and started anew when it
# hangs: qemu-storage-daemon 7.2 does, on some machines always, when requests come side by side.  So the last time the kernel
# is told to read ahead with one only.  False: a peer hung each time.
started()
{
	local c=$1 line=$2 try
	shift 2
	for try in '' again 'one request at a time'; do
		wire_begin
		start "$c" "$line"
		[ "$try" != 'one request at a time' ] || one_at_a_time
		! "$@" >/dev/null 2>"$T/started.err" || return 0
		"stop_$c"
		echo "bench-read: $c did not answer${try:+ ($try)}" >&2
	done
	[ "$c" != hydroot ] || { cat "$T/started.err"; fail "$c: $*"; }
	echo "bench-read: $c: no figure this time" >&2
	return 1
}

one_at_a_time() # of $file, on a FUSE mount
{
	echo 1 >"/sys/fs/fuse/connections/$(stat -c %Ld "$file")/max_background" || true
}

sequential() # LINE MIB
{
	local c
	for c in $candidates; do
		started "$c" "$1" timed read_sequential "$2" || continue
		result "$1 line, sequential, MB/s" "$c" "$(rate_of $(($2 << 20)) "$seconds")"
		result "$1 line, sequential, CPU s" "$c" "$(cpu_of)"
		[ "$1" = slow ] || result "$1 line, sequential, peak MB of memory" "$c" "$(peak_of)"
		"stop_$c"
		wire_result "$1 line, sequential" "$c"
	done
}

random_fio() # READS SEED [DEPTH]: leaves $T/fio.json
{
	timeout -s KILL 60 fio --name=r --filename="$file" --readonly --direct=1 --ioengine=libaio --iodepth="${3:-1}" \
		--rw=randread --bs=4k --size="$raw_bytes" --number_ios="$1" --randseed="$2" --output-format=json --output="$T/fio.json"
}
ms_of() { jq -r ".jobs[0].read.clat_ns$1 / 1e6" "$T/fio.json" | awk '{ printf "%.2f", $1 }'; } # JQ-PATH

random() # LINE READS SEED
{
	local c
	for c in $candidates; do
		started "$c" "$1" random_fio "$2" "$3" || continue
		result "$1 line, random 4K, mean ms" "$c" "$(ms_of .mean)"
		result "$1 line, random 4K, p50 ms" "$c" "$(ms_of '.percentile["50.000000"]')"
		result "$1 line, random 4K, p99 ms" "$c" "$(ms_of '.percentile["99.000000"]')"
		"stop_$c"
		wire_result "$1 line, random 4K" "$c"
	done
}

# Reads at random beside the fill and without it, so many at a time.
demand() # LINE READS SEED DEPTH
{
	local what="$1 line, demand p99 at depth $4, ms"
	start_hydroot "$1" --fill=manual
	random_fio "$2" "$3" "$4" || fail "fio on $file"
	result "$what" 'no fill' "$(ms_of '.percentile["99.000000"]')"
	stop_hydroot
	start_hydroot "$1"
	random_fio "$2" "$3" "$4" || fail "fio on $file"
	result "$what" filling "$(ms_of '.percentile["99.000000"]')"
	result "$1 line, depth $4, % there after the reads" filling \
		"$(status_key bench '100 * .resident.chunks / .image.chunks | floor')"
	stop_hydroot
}

attach_and_fill()
{
	start_hydroot "$1"
	usage_begin
	hydroot_fill
}
hydroot_fill() { hydroot wait bench --for=resident --timeout=120s; }
copy_first() # ZRAM URL
{
	curl -sf "$2" | zstd -dc | dd iflag=fullblock oflag=direct conv=sparse bs=1M of="$1" status=none
}

watched_copy() # ZRAM URL
{
	copy_first "$1" "$2" &
	mapfile -t pids < <(sleep 0.05; pgrep -P $!)
	usage_begin
	wait $!
}

fill_results() # LINE CANDIDATE
{
	result "$1 line, fill, MB/s of the image" "$2" "$(rate_of "$raw_bytes" "$seconds")"
	result "$1 line, fill, CPU s" "$2" "$cpu"
	result "$1 line, fill, peak MB of memory" "$2" "$peak"
	wire_result "$1 line, fill" "$2"
}

fill() # LINE
{
	local zram n
	wire_begin
	timed attach_and_fill "$1" || fail "not filled"
	usage_end
	fill_results "$1" hydroot
	algorithm=$(sed 's/.*\[\(.*\)\].*/\1/' "/sys/block/$(basename "$(status_key bench .store.device)")/comp_algorithm")
	stop_hydroot
	n=$(cat /sys/class/zram-control/hot_add)
	own_zram=$n
	zram=/dev/zram$n
	echo "$algorithm" >"/sys/block/zram$n/comp_algorithm"
	echo "$raw_bytes" >"/sys/block/zram$n/disksize"
	wire_begin
	timed watched_copy "$zram" "$(url_of "$1" test.hri)" || fail "copy first"
	usage_end
	fill_results "$1" 'copy first'
	cmp "$raw" "$zram" || fail "copy first made something else"
	remove_zram
}

# Once: the number may be another's then.
own_zram=''
remove_zram()
{
	[ -n "$own_zram" ] || return 0
	echo "$own_zram" >/sys/class/zram-control/hot_remove
	own_zram=''
}
defer remove_zram

iops() # WHERE DEPTH
{
	fio --name=i --filename="$file" --readonly --direct=1 --ioengine=libaio --iodepth="$2" --rw=randread \
		--bs=4k --time_based --runtime=1 --size="$raw_bytes" --output-format=json --output="$T/fio.json" ||
		fail "fio on $file"
	result "resident, random 4K at depth $2, IOPS" "$1" "$(jq -r '.jobs[0].read.iops | floor' "$T/fio.json")"
}

# In mode stream all of it can be there without a handover.  Without device-mapper only a read-only device is handed
# over: its loop device changes to zram.
resident_iops()
{
	local depth zram
	start_hydroot fast --mode=stream --cache=1G
	dd if="$file" of=/dev/null bs=1M iflag=direct status=none
	assert_equal "chunks that are not there" 0 \
		"$(status_key bench '.image.chunks - .resident.chunks')"
	zram=$(status_key bench .store.device)
	for depth in 1 32; do iops 'before handover' $depth; done
	file=$zram
	for depth in 1 32; do iops 'bare zram' $depth; done
	stop_hydroot
	start_hydroot fast --read-only
	hydroot_fill
	method=$(status_key bench .handover.method)
	[ "$method" != none ] || fail "not handed over"
	for depth in 1 32; do iops 'after handover' $depth; done
	stop_hydroot
}

# --- the table ------------------------------------------------------------------------------------

table()
{
	awk -F '|' '
		function median(k,   i, j, t, m) {
			m = n[k]
			for (i = 1; i < m; i++)
				for (j = i + 1; j <= m; j++)
					if (v[k, j] < v[k, i]) { t = v[k, i]; v[k, i] = v[k, j]; v[k, j] = t }
			return m % 2 ? v[k, (m + 1) / 2] : (v[k, m / 2] + v[k, m / 2 + 1]) / 2
		}
		{
			k = $1 "|" $2
			if (!(($1) in candidates)) measurements[++rows] = $1
			if (!n[k]++) { candidates[$1]++; candidate[$1, candidates[$1]] = $2 }
			v[k, n[k]] = $3 + 0
		}
		END {
			for (r = 1; r <= rows; r++) {
				what = measurements[r]
				for (c = 1; c <= candidates[what]; c++) {
					k = what "|" candidate[what, c]; m = median(k)
					if (c == 1) base = m
					ratio = c == 1 || !m ? "" : sprintf("%.2f", base / m)
					spread = sprintf("[%g - %g]", v[k, 1], v[k, n[k]])
					printf "%-46s %-16s %10g %-22s %6s\n", (c == 1 ? what : ""), candidate[what, c], m, spread, ratio
				}
			}
		}' "$T/results"
}

legend()
{
	cat <<-END

	ratio           the first candidate of a measurement through this one: more is better for MB/s and IOPS, less for all else
	sequential      all of the image (40 MiB of it over the slow line) once from front to back, in pieces of 1 MiB
	random 4K       one read at a time, all over the image, direct
	demand p99      of such reads while the background fill runs, beside those without a fill; with how much of the image was
	                there when they ended: at 100 part of them were faster for it
	fill            from the attach until all is in zram; copy first: curl | zstd -d | dd into a zram like it
	CPU s           of all processes of the candidate, nginx not counted; peak MB: the sum of each process's VmHWM
	requests, MB    as nginx logged them, for all that the candidate was started for
	resident        4K reads at random for a second each: through FUSE and loop, before the handover; of the same device after it;
	                of the zram device without anything in front
	END
}

for ((round = 1; round <= rounds; round++)); do
	echo "round $round of $rounds, $((SECONDS)) s" >&2
	sequential fast $((raw_bytes >> 20))
	random fast 400 $round
	sequential slow 40
	random slow 120 $round
	for depth in 1 16; do
		demand fast $((300 * (depth + 3) / 4)) $round $depth
		demand slow $((120 * (depth + 3) / 4)) $round $depth
	done
	fill fast
	fill slow
	resident_iops
done
{
	echo "image of $((raw_bytes >> 20)) MiB; as hydroot's file $(stat -c %s "$image") bytes, chunks of $chunk_bytes; zram with $algorithm"
	echo "$(nproc) CPUs, load at the end $(cut -d ' ' -f 1-3 /proc/loadavg); kernel $(uname -r); handover by $method"
	echo "nbdkit (curl, nbdfuse) and qemu-storage-daemon (http, FUSE export) read the raw image; $rounds rounds, $SECONDS s"
	printf '%-46s %-16s %10s %-22s %6s\n' measurement candidate median '[least - most]' ratio
	table
	legend
} | tee "$out"
