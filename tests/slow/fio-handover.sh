#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# In a guest with device-mapper, fio writes and verifies files on the root (ext4) and on a second attachment
# (XFS) from before they are resident until after both were handed over: no byte is wrong, and both
# filesystems are clean.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq fio mkfs.xfs xfs_repair hydrootd
tests/image.sh all

mkdir -p "$T/www"
ln -s "$IMAGES/served/good/debian.hri" "$T/www/debian.hri"
tools_for_guest "$T/www" fio xfs_repair hydrootd hydroot
# An XFS with something to fetch.
head -c 60000000 /dev/urandom >"$T/ballast"
printf '/\n0 0\nd--755 0 0\nballast ---644 0 0 %s\n$\n' "$T/ballast" >"$T/proto"
truncate -s 320M "$T/raw.xfs"
mkfs.xfs -q -s size=4096 -p "$T/proto" "$T/raw.xfs"
"$TOP/build/hydroot-image" build "$T/raw.xfs" "$T/www/xfs.hri" 2>/dev/null
start_nginx web "$T/www"
url=http://$GUEST_HOST:${nginx_port[web]}

GUEST_MEMORY=1536 start_hydroot_guest g "$IMAGES/boot/initramfs.img" "$url/debian.hri" \
	"rd.hydroot.fill=manual rd.hydroot.rate=2M"
wait_login g
note login
wait_agent g
guest g 60 "mkdir -p /run/tools && mount -t tmpfs -o size=300m tools /run/tools && cd /run/tools &&
	busybox wget -q -O - $url/tools.tar | tar x" || fail "the tools did not come"
tool() { guest g "$1" "cd /run/tools && lib/ld-linux-x86-64.so.2 --library-path lib ./$2"; } # SECONDS COMMAND

guest g 60 "modprobe fuse; modprobe loop; modprobe xfs; cd /run/tools &&
	PATH=/run/tools:\$PATH LD_LIBRARY_PATH=/run/tools/lib ./hydroot attach --name=second --fill=manual $url/xfs.hri &&
	mkdir -p /run/second && mount -t xfs -o discard /dev/hydroot/second /run/second" >"$T/second" 2>&1 ||
	fail "the second attachment: $(cat "$T/second")"
note "the second attachment is mounted"

guest g 20 'cat >/run/job <<END
[global]
verify=crc32c
verify_fatal=1
verify_backlog=64
verify_state_save=0
size=4m
group_reporting=1
[random]
rw=randrw
bs=16k
size=12m
ioengine=libaio
iodepth=16
direct=1
[buffered]
rw=randwrite
bs=4k
ioengine=psync
fsync=32
[append]
rw=write
bs=128k
ioengine=psync
fdatasync=8
END
cat >/run/fio.sh <<END
cd /run/tools
mkdir -p \$2
while :; do
	lib/ld-linux-x86-64.so.2 --library-path lib ./fio --directory=\$2 --output=/run/fio.\$1 /run/job || {
		echo failed >/run/fio.\$1.failed; exit; }
	echo >>/run/fio.\$1.rounds
	[ ! -e /run/fio.stop ] || { echo >/run/fio.\$1.done; exit; }
done
END
setsid sh /run/fio.sh root /var/tmp/fio >/run/fio.root.out 2>&1 </dev/null &
setsid sh /run/fio.sh second /run/second/fio >/run/fio.second.out 2>&1 </dev/null &'
round_done() { guest g 10 "test -s /run/fio.$1.rounds || test -e /run/fio.$1.failed"; }
wait_for 200 "a round of fio on the root" round_done root
wait_for 200 "a round of fio on the second" round_done second
refute "the root was resident too early" guest_status_is g .state resident
refute "the second was resident too early" test "$(guest_hydroot g 60 'status second --json' | jq -r .state)" = resident
note "a round of fio is over on both, and nothing is filled yet"

guest_hydroot g 60 'resume root' || fail "the fill of the root does not start"
guest_hydroot g 60 'resume second' || fail "the fill of the second does not start"
wait_resident g 4
guest_hydroot g 130 'wait second --for=resident --timeout=2m' || fail "the second is not resident"
asked_ms=$(now_ms)
assert_equal "handover of the root" dm "$(guest_status g .handover.method)"
assert_equal "handover of the second" dm "$(guest_hydroot g 60 'status second --json' | jq -r .handover.method)"
note "status answers after $((($(now_ms) - asked_ms) / 2)) ms beside all this"
note "both are handed over; $(guest g 10 'wc -l </run/fio.root.rounds; wc -l </run/fio.second.rounds' | tr '\n' ' ')rounds of fio until then"
stop_nginx web
at_handover=$(guest g 10 'wc -l </run/fio.root.rounds')
more_rounds() { [ "$(guest g 10 'wc -l </run/fio.root.rounds')" -gt $((at_handover + 1)) ] || guest g 10 'test -e /run/fio.root.failed'; }
wait_for 200 "a round of fio after the handover" more_rounds
guest g 5 'touch /run/fio.stop'
over() { guest g 10 'ls /run/fio.root.done /run/fio.root.failed 2>/dev/null | grep -q . &&
	ls /run/fio.second.done /run/fio.second.failed 2>/dev/null | grep -q .'; }
wait_for 120 "fio to end" over
for which in root second; do
	refute "fio on $which: $(guest g 10 "cat /run/fio.$which /run/fio.$which.out" | grep -iE 'verify|error' | head -n 5)" \
		guest g 10 "test -e /run/fio.$which.failed"
done
note "fio found nothing wrong after $(guest g 10 'wc -l </run/fio.root.rounds; wc -l </run/fio.second.rounds' | tr '\n' ' ')rounds"
assert_no_io_errors g

assert_equal "SHA-256 of the file in the XFS" "$(sha256sum <"$T/ballast")" \
	"$(guest g 120 'echo 3 >/proc/sys/vm/drop_caches; sha256sum </run/second/ballast')"
guest g 30 'umount /run/second' || fail "the second cannot be unmounted"
tool 120 "xfs_repair -n /dev/hydroot/second" >"$T/xfs" 2>&1 || fail "xfs_repair: $(cat "$T/xfs")"
note "xfs_repair finds nothing"
assert_manifest g
assert_root_is_clean g
note "all files of the image are right, e2fsck finds nothing"
guest g 2 'echo o >/proc/sysrq-trigger' || true
wait_guest_end g 30
