#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# sanitizers: none
# Files are written and verified on ext4 and on XFS over the device from before the image is resident
# until after it: no byte is wrong, and both filesystems are clean in the end.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq fio mke2fs mkfs.xfs xfs_repair hydrootd
grep -qw xfs /proc/filesystems || modprobe xfs 2>/dev/null || no_xfs=yes
mkdir "$T/www"
host_image
cp --reflink=auto "$image" "$T/www/ext4.hri"
manifest=${raw%/*}/manifest

# An XFS with the same files.
make_xfs()
{
	truncate -s 320M "$T/raw.xfs"
	mkfs.xfs -q -s size=4096 "$T/raw.xfs"
	mkdir "$T/x" "$T/e"
	mount -o loop "$T/raw.xfs" "$T/x"
	defer umount "$T/x"
	mount -o loop,ro,noload "$raw" "$T/e"
	defer umount "$T/e"
	cp -a "$T/e/random" "$T/e/text" "$T/x/"
	umount "$T/x" "$T/e"
	"$TOP/build/hydroot-image" build --level=1 "$T/raw.xfs" "$T/www/xfs.hri" 2>/dev/null
}
[ -n "${no_xfs-}" ] || make_xfs
start_nginx web "$T/www"

job() # NAME: mixed sizes and depths, each block verified when it is read again
{
	cat <<-END
		[global]
		directory=$T/mnt-$1
		size=${FIO_MIB:-6}m
		verify=crc32c
		verify_fatal=1
		verify_backlog=64
		verify_async=1
		verify_state_save=0
		group_reporting=1
		[random]
		rw=randrw
		bs=16k
		size=$((${FIO_MIB:-6} * 3))m
		ioengine=libaio
		iodepth=16
		direct=1
		[buffered]
		rw=randwrite
		bs=2k
		ioengine=psync
		fsync=32
		[append]
		rw=write
		bs=256k
		ioengine=psync
		fdatasync=8
		numjobs=2
	END
}

# The files of the image, read while all this is written: half of them until all-NAME is there, since
# reading fetches faster than the fill, which would be complete then.
start_reading() # NAME
{
	local which='[02468]$'
	while [ ! -e "$T/stop-$1" ]; do
		[ ! -e "$T/all-$1" ] || which=.
		(cd "$T/mnt-$1" && grep "$which" "$manifest" | sha256sum --quiet -c) >>"$T/reading-$1" 2>&1 || break
		sleep 1
	done &
	reader=$!
	defer end_process $reader
}

# What reads there may need a moment to end.
unmount()
{
	local i
	for ((i = 0; i < 100; i++)); do
		mountpoint -q "$1" || return 0
		! umount "$1" || return 0
		sleep 0.2
	done
}

verify_on() # NAME MOUNT-OPTIONS CHECK...
{
	local name=$1 options=$2 rounds=0
	shift 2
	attach "fio-$name" --rate=300K "$(nginx_url web "$name.hri")"
	mkdir "$T/mnt-$name"
	defer unmount "$T/mnt-$name"
	mount -o "$options" "$device" "$T/mnt-$name"
	job "$name" >"$T/job-$name"
	start_reading "$name"
	while :; do
		fio --output="$T/fio-$name" "$T/job-$name" || { cat "$T/fio-$name"; fail "$name: fio found an error"; }
		rounds=$((rounds + 1))
		if [ $rounds = 1 ]; then
			refute "$name: it was resident too early" status_is "fio-$name" .state resident
			expect_exit 0 hydroot set "fio-$name" rate=4M
			touch "$T/all-$name"
		fi
		[ -z "${resident_before-}" ] || break
		! status_is "fio-$name" .resident.chunks "$(status_key "fio-$name" .image.chunks)" || resident_before=yes
		[ $((rounds % 2)) = 1 ] || fstrim "$T/mnt-$name"
	done
	unset resident_before
	expect_exit 0 hydroot wait "fio-$name" --for=resident --timeout=60s
	touch "$T/stop-$name"
	wait $reader
	note "$name: $rounds rounds, the last one when all was resident; $(grep -h -E '^ +(READ|WRITE):' "$T/fio-$name" | cut -d, -f3 | tr '\n' ' ')"
	[ ! -s "$T/reading-$name" ] || fail "$name: files of the image differ: $(head -n 5 "$T/reading-$name")"
	umount "$T/mnt-$name"
	"$@" "$device" >"$T/check-$name" 2>&1 || { cat "$T/check-$name"; fail "$name: $1 found something"; }
	mount -o "$options" "$device" "$T/mnt-$name"
	(cd "$T/mnt-$name" && sha256sum --quiet -c "$manifest") || fail "$name: files of the image differ at the end"
	umount "$T/mnt-$name"
	hydroot detach "fio-$name"
}

verify_on ext4 discard e2fsck -fn
[ -z "${no_xfs-}" ] || skip "this kernel has no XFS; ext4 is right"
verify_on xfs discard xfs_repair -n
