#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# An image larger than the RAM of its guest is booted with mode=stream in 512 MiB and read to its end: every
# byte is right, and daemon and store together keep to their budget.  What they use is printed over time.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd debugfs
tests/image.sh all
cache_mb=${CACHE_MB:-160}

# Random bytes in one file: 700 MB that no compression makes fit.
cp --sparse=always "$IMAGES/base/rootfs.ext4" "$T/big.ext4"
head -c 700000000 /dev/urandom >"$T/ballast"
sum=$(sha256sum <"$T/ballast")
debugfs -w -R "write $T/ballast ballast" "$T/big.ext4" >/dev/null 2>&1
rm "$T/ballast"
mkdir "$T/www"
"$TOP/build/hydroot-image" build --level=1 "$T/big.ext4" "$T/www/big.hri" 2>/dev/null
start_nginx web "$T/www"
note "an image of $(($(stat -c %s "$T/www/big.hri") / 1000000)) MB for a guest of 512 MiB, cache $cache_mb MiB"

GUEST_MEMORY=512 start_hydroot_guest g "$IMAGES/boot/initramfs.img" \
	"http://$GUEST_HOST:${nginx_port[web]}/big.hri" "rd.hydroot.mode=stream rd.hydroot.cache=${cache_mb}M"
wait_login g
note login
wait_agent g
assert_equal "state" streaming "$(guest_status g .state)"

# zram's memory and the daemon's, in KB.
memory()
{
	guest g 60 'z=$(($(cat /sys/block/zram*/mm_stat | awk "{ n += \$3 } END { printf \"%d\", n }") / 1024))
		d=$(for p in /proc/[0-9]*; do { tr "\0" " " <$p/cmdline; } 2>/dev/null | grep -q hydrootd &&
			awk "/^VmRSS/ { print \$2 }" $p/status; done | awk "{ n += \$1 } END { print n + 0 }")
		echo $z $d $(awk "/^MemAvailable/ { print \$2 }" /proc/meminfo)'
}
guest g 20 'setsid sh -c "sha256sum </ballast >/run/sum.new; mv /run/sum.new /run/sum" >/run/sum.out 2>&1 </dev/null &'
most=0 most_daemon=0 most_used=0
for ((i = 0; i < 240; i++)); do
	read -r zram daemon available <<<"$(memory)"
	note "zram $((zram / 1024)) MB, daemon $((daemon / 1024)) MB, available $((available / 1024)) MB"
	used=$(guest_status g .store.used_bytes)
	[ "$zram" -le "$most" ] || most=$zram
	[ "$daemon" -le "$most_daemon" ] || most_daemon=$daemon
	[ "$used" -le "$most_used" ] || most_used=$used
	! guest g 10 'test -e /run/sum' || break
	sleep 2
done
assert_equal "the file of 700 MB" "$sum" "$(guest g 10 'cat /run/sum')"
note "zram used at most $((most / 1024)) MB of $cache_mb, with tables $((most_used >> 20)), the daemon $((most_daemon / 1024)) MB"
assert_below "KB of zram" $((cache_mb * 1024)) "$most"
assert_below "bytes of the store, tables included" $(((cache_mb << 20) + 1)) "$most_used"
assert_below "KB of the daemon" $((64 * 1024)) "$most_daemon"
assert_equal "state" streaming "$(guest_status g .state)"

guest g 60 'head -c 20000000 /dev/urandom >/var/tmp/written; sync; sha256sum </var/tmp/written >/run/written'
assert_manifest g
guest g 60 'echo 3 >/proc/sys/vm/drop_caches; sha256sum </var/tmp/written | cmp - /run/written' || fail "what was written was evicted"
note "all files are right, what was written stayed"
end_guest g
