#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# A filesystem is mounted read-write while the image arrives: what is written stays, what was there
# is right, and the filesystem is clean in the end.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq mke2fs hydrootd
host_image
start_nginx web "$served"

attach write1 --rate=15M "$(nginx_url web test.hri)"
mkdir "$T/mnt"
defer umount "$T/mnt"
mount -o discard "$device" "$T/mnt"
note "writing while it fills"
mkdir "$T/mnt/new"
for i in 1 2 3 4 5 6 7 8; do
	head -c 1234567 /dev/urandom >"$T/mnt/new/$i"
	sha256sum "$T/mnt/new/$i" >>"$T/sums"
	sync -f "$T/mnt"
	sleep 0.2
done
rm "$T/mnt/random/7" "$T/mnt/text/8"
fstrim "$T/mnt"
refute "it was filled before the writing was done" status_is write1 .state resident
expect_exit 0 hydroot wait write1 --for=resident --timeout=90s
note "resident"
assert "the new files" sha256sum --quiet -c "$T/sums"

umount "$T/mnt"
echo 3 >/proc/sys/vm/drop_caches
mount -o ro "$device" "$T/mnt"
assert "the new files after mounting again" sha256sum --quiet -c "$T/sums"
grep -v -e '/random/7$' -e '/text/8$' "${raw%/*}/manifest" >"$T/manifest"
(cd "$T/mnt" && sha256sum --quiet -c "$T/manifest") || fail "files of the image differ"
umount "$T/mnt"
expect_exit 0 e2fsck -fn "$device"
