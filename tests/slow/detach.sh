#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# Where there is device-mapper, and udev that looks at each device: an attachment is taken down while it is filled, after
# it was handed over to zram, and to a loop device over memory; one that is mounted stays.  Nothing is left of any.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mke2fs
tests/image.sh all

mkdir -p "$T/www" "$T/tree"
ln -s "$IMAGES/served/good/debian.hri" "$T/www/debian.hri"
tools_for_guest "$T/www" hydrootd hydroot dmsetup
head -c 20000000 /dev/urandom >"$T/tree/file"
mke2fs -q -t ext4 -b 4096 -m 0 -d "$T/tree" "$T/small.ext4" 64M
"$TOP/build/hydroot-image" build "$T/small.ext4" "$T/www/small.hri" 2>/dev/null
start_nginx web "$T/www"
url=http://$GUEST_HOST:${nginx_port[web]}

start_hydroot_guest g "$IMAGES/boot/initramfs.img" "$url/debian.hri"
wait_login g
wait_agent g
guest g 60 "mkdir -p /run/tools && mount -t tmpfs -o size=100m tools /run/tools && cd /run/tools &&
	busybox wget -q -O - $url/tools.tar | tar x" || fail "the tools did not come"
guest g 30 'modprobe fuse; modprobe loop' || true
wait_resident g
note "login, resident"

# What an attachment is made of, of all that there are.
devices()
{
	guest g 30 'ls -d /sys/block/dm-* /sys/block/zram* /sys/fs/fuse/connections/* /run/hydroot/* /dev/hydroot/* 2>/dev/null
		cat /sys/block/loop*/loop/backing_file 2>/dev/null
		mount -t fusectl none /sys/fs/fuse/connections 2>/dev/null || true'
}
tool() # SECONDS ARGUMENT...
{
	local seconds=$1
	shift
	guest g "$seconds" "cd /run/tools && PATH=/run/tools:\$PATH LD_LIBRARY_PATH=/run/tools/lib ./hydroot $*"
}
attach_in_guest() # NAME ARGUMENT...
{
	local name=$1
	shift
	tool 60 attach --name="$name" "$@" "$url/small.hri" >"$T/out" 2>&1 || fail "$name: $(cat "$T/out")"
	assert_equal "$name: its device" "$(sha256sum <"$T/small.ext4")" "$(guest g 60 "cat /dev/hydroot/$name | sha256sum")"
}
detach_in_guest() # NAME
{
	tool 60 detach "$1" >"$T/out" 2>&1 || fail "$1: detach: $(cat "$T/out")"
	assert_equal "$1: what is left" "$before" "$(devices)"
	note "$1: nothing is left"
}
devices >/dev/null
before=$(devices)

attach_in_guest filling --fill=manual
assert "it is on device-mapper" guest g 10 'case $(readlink -f /dev/hydroot/filling) in /dev/dm-*|/dev/mapper/*) ;; *) false ;; esac'
detach_in_guest filling

attach_in_guest zram
tool 60 wait zram --for=resident --timeout=50s || fail "zram: not resident"
detach_in_guest zram

attach_in_guest memory --store=memory
tool 60 wait memory --for=resident --timeout=50s || fail "memory: not resident"
detach_in_guest memory

attach_in_guest mounted --fill=manual
guest g 30 'mkdir -p /run/mounted && mount /dev/hydroot/mounted /run/mounted' || fail "it cannot be mounted"
if tool 60 detach mounted >"$T/out" 2>&1; then fail "what is mounted was taken down"; fi
assert_contains "why it stays" 'in use' "$T/out"
guest g 30 'cat /run/mounted/file >/dev/null && umount /run/mounted' || fail "it is of no use any more"
detach_in_guest mounted

# The table is taken away by hand, and the number that it had is somebody else's, in use: that one is left alone.
attach_in_guest reused --fill=manual
guest_dmsetup() { guest g 30 "cd /run/tools && LD_LIBRARY_PATH=/run/tools/lib ./dmsetup --noudevsync $*"; }
minor=$(guest g 30 'n=$(readlink -f /dev/hydroot/reused); n=${n##*/}; cat "/sys/class/block/$n/dev"')
guest_dmsetup remove hydroot-reused || fail "the table cannot be removed by hand"
guest_dmsetup "create foreign --major ${minor%:*} --minor ${minor#*:} --table '0 131072 zero'" || fail "no table with that number"
guest g 30 '(sleep 300 <"/dev/dm-'"${minor#*:}"'") >/dev/null 2>&1 &' || fail "the foreign device cannot be used"
tool 60 detach reused >"$T/out" 2>&1 || fail "reused: detach: $(cat "$T/out")"
assert "the foreign table" guest g 10 "test -e /sys/dev/block/$minor/dm/name && grep -qx foreign /sys/dev/block/$minor/dm/name"
note "a table with the number of ours is left alone"

end_guest g
