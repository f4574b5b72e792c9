#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# chunk-table.sh - which chunk size boots fastest, over slow and fast, near and far networks
#
#	make chunk-table
#
# The same image in chunks of 64K to 1M, booted to login without background fill, so that seconds and
# bytes are those of what the boot touches.  The rate is that of a network namespace with tc tbf, the
# delay is made by netem in the guest.  The table is printed and kept in build/chunk-table.txt.
# Single runs: differences below a tenth mean nothing.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/slowline.sh
. "$TOP/tests/slowline.sh"
requires root qemu-system-x86_64 nginx tc ip
tests/image.sh all >&2
out=$TOP/build/chunk-table.txt
sizes=(64K 128K 256K 512K 1M)

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

mkdir -p "$T/www"
delayed_initramfs 0 "$T/initramfs-0"
delayed_initramfs 50 "$T/initramfs-50"
printf '%-6s %10s %22s %22s %22s %22s\n' chunks 'file MB' '25 Mbit/s' '25 Mbit/s + 50 ms' \
	'1 Gbit/s' '1 Gbit/s + 50 ms' | tee "$out"
for size in "${sizes[@]}"; do
	"$TOP/build/hydroot-image" build --chunk-size="$size" "$IMAGES/base/rootfs.ext4" "$T/www/$size.hri"
	printf '%-6s %10s' "$size" "$(stat -c %s "$T/www/$size.hri" | awk '{ printf "%.1f", $1 / 1e6 }')" | tee -a "$out"
	for line in '25mbit 0' '25mbit 50' '1gbit 0' '1gbit 50'; do
		# shellcheck disable=SC2086 # two words
		boot $size.hri $line
		printf ' %22s' "$seconds s, $megabytes MB" | tee -a "$out"
	done
	echo | tee -a "$out"
	rm -f "$T/www/$size.hri"
done
