#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# A program takes all the memory that is left, again and again, while a read-write root is being filled that takes
# half of it: no read or write waits for good, what the kernel kills is that program, the fill goes on
# meanwhile and gets to its end afterwards, and every file is right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
start_nginx web "$IMAGES/served/good"
GUEST_MEMORY=640
kills=4

# With the reserve nearly off the fill does not rest when memory gets short, which is the hardest for it; and
# it must not become mode stream.
start_hydroot_guest g "$IMAGES/boot/initramfs.img" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri" \
	"rd.hydroot.fill=manual rd.hydroot.rate=200K rd.hydroot.reserve=4M \
	rd.hydroot.low-memory=fail"
wait_login g
note login
wait_agent g
assert_equal "mode" hybrid "$(guest_status g .mode)"
start_workload g
guest_hydroot g 60 'resume root' || fail "the fill does not start"

# Units of their own: systemd stops a whole unit when the kernel has killed one of its processes.  The hog is a static
# program on a tmpfs: one that has to read its own text again would only crawl towards the end of the memory.
guest g 60 'cat >/run/hog.sh <<"END"
echo 1000 >/proc/self/oom_score_adj
kib=$(awk "/^MemTotal/ { print int(\$2 * 0.9) }" /proc/meminfo)
while [ ! -e /run/hog.stop ]; do
	/run/hydroot-agent/busybox tail -c ${kib}k /dev/zero
	echo >>/run/hog.rounds
	sleep 3
done
END
cat >/run/dirty.sh <<"END"
while [ ! -e /run/hog.stop ]; do
	head -c 10000000 /dev/zero | tr "\0" d >/var/tmp/dirty
	rm /var/tmp/dirty
	echo >>/run/dirty.rounds
done
END
: >/run/hog.rounds; : >/run/dirty.rounds
for name in hog dirty; do
	systemd-run -q --unit=$name -p OOMPolicy=continue \
		env PATH=/run/hydroot-agent/bin /run/hydroot-agent/busybox sh /run/$name.sh || exit
done' || fail "the hogs do not start"

# files written, rounds of dirty pages, kills, memory available in MiB, pressure
look()
{
	guest g 120 'echo $(wc -l <"/run/load.sums") $(wc -l </run/dirty.rounds) \
		$(awk "/^oom_kill / { print \$2 }" /proc/vmstat) \
		$(($(awk "/^MemAvailable/ { print \$2 }" /proc/meminfo) / 1024)) \
		"$(sed -n "s/^some \(avg10=[^ ]*\).*/\1/p" /proc/pressure/memory)"'
}
look_again()
{
	local seen
	seen=$(look) || fail "the guest does not answer"
	read -r files dirty killed available pressure <<<"$seen"
	filled=$(guest_status g .resident.chunks)
}
# After each kill everything has got on since the one before.
look_again
for ((i = 0; i < kills; i++)); do
	was=("$files" "$dirty" "$filled" "$killed")
	end=$(($(now_ms) + 120000 * ${HYDROOT_SLOWER:-1}))
	until [ "$files" -gt "${was[0]}" ] && [ "$dirty" -gt "${was[1]}" ] && [ "$killed" -gt "${was[3]}" ] &&
		[ "$filled" -gt "${was[2]}" ]; do
		[ "$(now_ms)" -lt "$end" ] || fail "something stands still: ${was[*]}, and now $files $dirty $filled $killed"
		sleep 1
		look_again
		note "$files files, $dirty rounds of dirty pages, $filled chunks, $killed kills; $available MiB, $pressure"
	done
done
assert_equal "mode" hybrid "$(guest_status g .mode)"
refute "it was resident before the last kill" guest_status_is g .state resident

guest g 60 'touch /run/hog.stop; systemctl stop hog dirty || true'
stop_workload g
guest g 30 dmesg >"$T/g.dmesg"
sed -n 's/.*Killed process [0-9]* (\([^)]*\)).*/\1/p' "$T/g.dmesg" | sort -u >"$T/killed"
assert_equal "what the kernel killed" busybox "$(paste -sd' ' "$T/killed")"
assert_equal "restarts" '{"net":0,"serve":0}' "$(guest_hydroot g 60 'status root --json' | jq -c .restarts)"
guest_hydroot g 60 'set root rate=20M'
wait_resident g
note "resident"
stop_nginx web
assert_manifest g
assert_workload g
note "all files of the image and all written files are right"
end_guest g
