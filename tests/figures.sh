#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# figures.sh - boot times, bytes and memory of hydroot beside other ways to boot the same image
#
#	make figures
#
# One boot at a time, the server on the same machine, no limit of the network.  The table is
# printed and kept in build/figures.txt.  Single runs: expect them to differ by a third.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh demo >&2
out=$TOP/build/figures.txt
start_nginx web "$IMAGES/served/good"
url=http://$GUEST_HOST:${nginx_port[web]}/debian.hri

measure() # NAME INITRD APPEND [QEMU-ARGUMENT...]: boots, leaves the guest running
{
	: >"$(nginx_log web)"
	local start
	start=$(now_ms)
	start_guest "$@"
	wait_login "$1"
	login_seconds=$(seconds_since "$start")
	login_bytes=$(nginx_bytes "$(nginx_log web)")
	wait_agent "$1"
	ended_ms=$start
}

row() { printf '%-34s %10s %12s %12s\n' "$@" | tee -a "$out"; }

mb() { echo "$1" | awk '{ printf "%.1f MB", $1 / 1e6 }'; }

# Resident and locked memory of each of the daemon's processes.
daemon_memory() # NAME
{
	guest "$1" 10 'for p in /proc/[0-9]*; do
		tr "\0" " " <$p/cmdline 2>/dev/null | grep -q hydrootd || continue
		echo "$(awk "/^Uid/ { print \$2 }" $p/status) $(awk "/^VmRSS/ { print \$2 }" $p/status) \
$(awk "/^VmLck/ { print \$2 }" $p/status) $(ls $p/task | wc -l)"
	done'
}

{
	echo "guest: 2 CPUs ($(guest_accel)), $GUEST_MEMORY MB; image $(mb "$(cat "$IMAGES/served/bytes")"), \
$(mb "$(du -B1 "$IMAGES/base/rootfs.ext4" | cut -f1)") of data"
	echo "initramfs: $(mb "$(stat -c %s "$IMAGES/boot/initramfs.img")"); \
Debian's own: $(mb "$(stat -c %s "$IMAGES/base/initrd.debian")")"
	echo
} | tee "$out"
row boot login 'bytes until' resident

measure disk "$IMAGES/base/initrd.debian" "root=/dev/vda rw ip=off" \
	-drive "file=$IMAGES/base/rootfs.ext4,format=raw,if=virtio,snapshot=on"
row 'local virtio disk' "$login_seconds s" - -
end_guest disk

measure lazy "$IMAGES/boot/initramfs.img" "rw $GUEST_IP rd.hydroot.fill=manual root=hydroot:$url"
row 'hydroot, without fill' "$login_seconds s" "$(mb "$login_bytes")" -
daemon_memory lazy >"$T/memory"
guest_status lazy '"store \(.store.used_bytes) bytes for \(.resident.bytes); \(.fetched.requests) requests"' \
	>"$T/store"
end_guest lazy

measure hybrid "$IMAGES/boot/initramfs.img" "rw $GUEST_IP root=hydroot:$url"
wait_resident hybrid
row 'hydroot, hybrid' "$login_seconds s" "$(mb "$login_bytes")" "$(seconds_since "$ended_ms") s"
end_guest hybrid

measure copy "$IMAGES/copyfirst/initramfs.img" \
	"rw copyfirst=$url copyfirst-bytes=$(stat -c %s "$IMAGES/base/rootfs.ext4")"
row 'copy first (curl, zstd, dd)' "$login_seconds s" "$(mb "$login_bytes")" "$login_seconds s"
end_guest copy

{
	echo
	echo "processes of the daemon after login, without fill (KB):"
	awk '{ printf "  uid %-6s resident %6s  locked %7s  threads %s\n", $1, $2, $3, $4 }' "$T/memory"
	cat "$T/store"
} | tee -a "$out"
