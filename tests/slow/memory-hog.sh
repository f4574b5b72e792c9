#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# Programs take all the memory that a guest of 1 GiB has left, again and again, while its read-write root
# is being filled with an image nearly as large: nothing blocks for good, what is killed is the hog, and
# when it is gone reads and writes are right, and the fill gets to its end.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd debugfs
tests/image.sh all

# The guest's own image with 200 MB more that cannot be compressed, in one file: it just fits (with 300 MB it
# would be mode stream), and its store takes most of the RAM.
ballast_mb=${BALLAST_MB:-200}
cp --sparse=always "$IMAGES/base/rootfs.ext4" "$T/big.ext4"
head -c $((ballast_mb * 1000000)) /dev/urandom >"$T/ballast"
debugfs -w -R "write $T/ballast ballast" "$T/big.ext4" >/dev/null 2>&1
mkdir "$T/www"
"$TOP/build/hydroot-image" build --level=1 "$T/big.ext4" "$T/www/big.hri" 2>/dev/null
start_nginx web "$T/www"
note "an image of $(($(stat -c %s "$T/www/big.hri") / 1000000)) MB for a guest of $GUEST_MEMORY MiB"

start_hydroot_guest g "$IMAGES/boot/initramfs.img" "http://$GUEST_HOST:${nginx_port[web]}/big.hri" rd.hydroot.rate=1M
wait_login g
note login
wait_agent g
assert_equal "mode and state" "hybrid filling" "$(guest_status g '"\(.mode) \(.state)"')"
guest_hydroot g 10 'set root rate=3M'
start_workload g
# Anonymous memory that is touched, and dirty pages of files on the root; killed by the kernel or by its time.
guest g 20 ': >/run/hog.rounds; : >/run/dirty.rounds; cat >/run/hog.sh <<"END"
while [ ! -e /run/hog.stop ]; do
	echo 1000 >/proc/self/oom_score_adj
	timeout 60 python3 -c "
kept = []
while True:
	kept.append(bytearray(8 << 20))
	for at in range(0, 8 << 20, 4096):
		kept[-1][at] = 1
" || true
	echo >>/run/hog.rounds
done
END
cat >/run/dirty.sh <<"END"
while [ ! -e /run/hog.stop ]; do
	head -c 20000000 /dev/zero | tr "\0" d >/var/tmp/dirty
	rm /var/tmp/dirty
	echo >>/run/dirty.rounds
done
END
setsid sh /run/hog.sh >/run/hog.out 2>&1 </dev/null &
setsid sh /run/dirty.sh >/run/dirty.out 2>&1 </dev/null &'

memory() # of the guest, the daemon and zram, in MB
{
	guest g 60 'printf "available %d MB, zram %d MB, daemon %d MB" \
		$(($(awk "/^MemAvailable/ { print \$2 }" /proc/meminfo) / 1024)) \
		$(($(cat /sys/block/zram*/mm_stat | awk "{ n += \$3 } END { printf \"%d\", n }") >> 20)) \
		$(($(for p in /proc/[0-9]*; do { tr "\0" " " <$p/cmdline; } 2>/dev/null | grep -q hydrootd &&
			awk "/^VmRSS/ { print \$2 }" $p/status; done | awk "{ n += \$1 } END { print n + 0 }") / 1024))'
}
progress() { guest g 60 'wc -l <"/run/load.sums"; wc -l </run/dirty.rounds' | tr '\n' ' '; }

start_ms=$(now_ms)
before=$(progress)
killed() { guest g 60 dmesg | grep -qiE 'out of memory|oom-kill'; }
# For so long, and until the kernel killed one.
until [ $(($(now_ms) - start_ms)) -gt "$((${HOG_SECONDS:-60} * 1000))" ] && killed; do
	[ $(($(now_ms) - start_ms)) -lt 240000 ] || fail "the kernel killed nothing in four minutes: no memory was short"
	note "$(memory), state $(guest_status g '"\(.mode) \(.state), \(.resident.chunks) chunks"')"
	sleep 5
done
after=$(progress)
note "files written and rounds of dirty pages before: $before, after: $after; hogs that ended: $(guest g 60 'wc -l </run/hog.rounds')"
refute "nothing was written meanwhile" test "$before" = "$after"
assert "the hog was killed at least once" guest g 60 'test -s /run/hog.rounds'
guest g 60 'touch /run/hog.stop; i=0; while pgrep -f "hog.sh|dirty.sh" >/dev/null && [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done'
note "the hogs are gone: $(memory)"
stop_workload g
guest g 30 dmesg >"$T/g.dmesg"
assert "the kernel killed something" grep -qi 'out of memory\|oom-kill' "$T/g.dmesg"
refute "it was a process of the daemon" grep -iE 'Killed process [0-9]+ \(.?hydroot' "$T/g.dmesg"
assert "the daemon's processes are all there" test "$(guest_hydroot g 30 'status root --json' | jq -r .state)" != failed
assert_no_io_errors g
assert_manifest g
note "all files of the image are right"
assert_workload g
note "and all that was written"
# While memory was short it may have gone on as stream, which is what low-memory says.
guest_hydroot g 60 'set root mode=hybrid rate=20M' || fail "the fill cannot be resumed: $(guest_status g .reason)"
guest_hydroot g 190 'wait root --for=resident --timeout=3m' ||
	fail "not resident in three minutes: $(guest_status g '"\(.mode) \(.state): \(.reason)"')"
note "resident: $(memory)"
guest g 5 'systemctl poweroff' || true
wait_guest_end g 60
