#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# chunk-table.sh - which chunk size boots fastest, over slow and fast, near and far networks
#
#	make chunk-table
#
# The same image in chunks of 64K to 1M, booted to login without background fill, so that seconds and
# bytes are those of what the boot touches.  The rate is that of a network namespace with tc tbf, the
# delay is made by netem in the guest.  Single runs: differences below a tenth mean nothing.
#
# Each cell is kept in build/chunk-table.log as soon as it is measured, under a hash of the image, of
# the programs and of this script; a run that was cut short goes on where it stopped.  FRESH=1 forgets
# them.  SIZES chooses chunk sizes.  The table is printed, and kept in build/chunk-table.md, as it goes
# into imgfmt/FORMAT.md.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/slowline.sh
. "$TOP/tests/slowline.sh"
requires root qemu-system-x86_64 nginx tc ip
tests/image.sh all >&2
out=$TOP/build/chunk-table.md log=$TOP/build/chunk-table.log
[ -z "${FRESH-}" ] || rm -f "$log"
touch "$log"
read -ra sizes <<<"${SIZES:-64K 128K 256K 512K 1M}"
lines=('25mbit 0' '25mbit 50' '1gbit 0' '1gbit 50')

slow_line

boot() # IMAGE RATE MS: sets seconds, megabytes
{
	local start web=web$((n = ${n-0} + 1))
	slow_rate "$2"
	start_slow_nginx $web "$T/www" $((8000 + n))
	start=$(now_ms)
	start_hydroot_guest g$n "$T/initramfs-$3" "http://$slow_net.2:$((8000 + n))/$1" rd.hydroot.fill=manual
	wait_login g$n
	seconds=$(seconds_since "$start")
	megabytes=$(nginx_bytes "$(nginx_log $web)" | awk '{ printf "%.1f", $1 / 1e6 }')
	stop_guest g$n
	stop_nginx $web
}

# What a cell depends on: the image, what builds and boots it, how it is measured.
key()
{
	{
		sha256sum <"$IMAGES/base/manifest"
		cat "$TOP/build/hydroot-image" "$TOP/build/hydrootd" "$TOP/build/hydroot" "$0" \
			initramfs/standalone/* initramfs/lib.sh | sha256sum
	} | sha256sum | cut -c1-16
}

# Lines of the log: KEY SIZE WHAT VALUE…
logged() # SIZE WHAT: prints what was measured
{
	awk -v k="$key" -v s="$1" -v w="$2" '$1 == k && $2 == s && $3 == w {
		sub(/^[^ ]* [^ ]* [^ ]* /, ""); v = $0 } END { print v }' "$log"
}

# measure SIZE RATE MS: one cell, unless it is there
measure()
{
	local what=$2+$3
	[ -z "$(logged "$1" "$what")" ] || return 0
	make_image_of "$1"
	boot "$1.hri" "$2" "$3"
	echo "$key $1 $what $seconds s, $megabytes MB" >>"$log"
}

make_image_of() # SIZE
{
	[ ! -e "$T/www/$1.hri" ] || return 0
	rm -f "$T"/www/*.hri
	"$TOP/build/hydroot-image" build --chunk-size="$1" "$IMAGES/base/rootfs.ext4" "$T/www/$1.hri"
	[ -n "$(logged "$1" file)" ] ||
		echo "$key $1 file $(stat -c %s "$T/www/$1.hri" | awk '{ printf "%.1f MB", $1 / 1e6 }')" >>"$log"
}

# Needed by the first cell that is not there yet.
prepare()
{
	local ms
	for ms in 0 50; do
		[ -e "$T/initramfs-$ms" ] || delayed_initramfs $ms "$T/initramfs-$ms"
	done
}

print_table()
{
	local size line
	echo '| chunks | file | 25 Mbit/s | 25 Mbit/s, 50 ms | 1 Gbit/s | 1 Gbit/s, 50 ms |'
	echo '|---:|---:|---:|---:|---:|---:|'
	for size in "${sizes[@]}"; do
		printf '| %s | %s |' "$size" "$(logged "$size" file)"
		for line in "${lines[@]}"; do
			printf ' %s |' "$(logged "$size" "${line/ /+}")"
		done
		echo
	done
}

key=$(key)
mkdir -p "$T/www"
prepare
for size in "${sizes[@]}"; do
	for line in "${lines[@]}"; do
		# shellcheck disable=SC2086 # two words
		measure "$size" $line
		print_table >"$out"
		echo "$size, $line: $(logged "$size" "${line/ /+}")" >&2
	done
done
cat "$out"
