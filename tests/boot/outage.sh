#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 480
# alone: what it looks for happens at certain times of the boot
# The network process is killed just before switch_root, and the boot goes on with another.  Later
# the server is away for a minute in the middle of the fill, or OUTAGE seconds.  The guest says so every
# 10 seconds and waits: 200 reads of missing chunks wait without an error, cached reads and all writes go
# on.  When the server is back the reads go on at once, everything ends well, and the guest
# powers off cleanly.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd debugfs
tests/image.sh all
start_nginx web "$IMAGES/served/good"
raw=$IMAGES/base/rootfs.ext4
bound_ms=4000
outage_s=${OUTAGE:-60}
# What the kernel says after two minutes of a program that waits for a read; it does nothing more.
hung='INFO: task cat:[0-9]+ blocked for more than'
[ "$outage_s" -ge 120 ] || hung=

# Blocks that belong to files (the guest's own writes do not change them), one per data chunk.
file_blocks()
{
	awk '$3 > 4096 { n = $1 * 128 + int(rand() * 128); print n }' "$IMAGES/served/chunks" >"$T/candidates"
	xargs -n 200 <"$T/candidates" | while read -r blocks; do
		debugfs -R "icheck $blocks" "$raw" 2>/dev/null
	done | awk '$2 ~ /^[0-9]+$/ && $2 > 11 { print $1 * 4096 }'
}

start_hydroot_guest g "$IMAGES/boot/initramfs-netkill.img" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri" \
	'rd.hydroot.rate=2M rd.hydroot.fill=manual'
wait_login g
note "login"
console_has g 'netkill: killed' || fail "the hook found no network process to kill"
wait_agent g
guest g 60 'touch /var/tmp/x && /run/hydroot-agent/io write /var/tmp/x && fstrim / && sync' >/dev/null
# However slow the guest is: a part of the image has been filled, and most of it has not.
guest_hydroot g 10 'resume root'
fills() { [ "$(guest_status g .fetched.fill_bytes)" -gt 10000000 ]; }
wait_for 60 "the fill to begin" fills
guest_hydroot g 10 'pause root'
note "$(guest_status g '"\(.resident.chunks) of \(.image.chunks) chunks"') are resident"
file_blocks >"$T/offsets"
shuf -n 500 "$T/offsets" >"$T/some"
guest g 20 "cat >/run/offsets <<END
$(cat "$T/some")
END"

stop_nginx web
down_ms=$(now_ms)
note "server stopped"
guest_hydroot g 10 'resume root'
guest g 10 'dev=$(awk "\$5 == \"/\" { print \$3 }" /proc/self/mountinfo | tail -n 1)
	dev=/dev/$(basename $(readlink /sys/dev/block/$dev)); echo $dev >/run/device
	setsid io readers $dev /run/got /run/offsets >/run/readers 2>&1 </dev/null &'
# One that reads through the page cache, as programs do.
guest g 10 'cat >/run/cached.sh <<"END"
	cat /usr/lib/git-core/git /usr/bin/python3* 2>/run/cached.errors | sha256sum >/run/cached.sum
	touch /run/cached.done
END
	setsid sh /run/cached.sh >/dev/null 2>&1 </dev/null &'
assert_equal "watchdogs of services" no "$(guest g 20 'systemctl service-watchdogs')"
many_wait() { [ "$(guest_status g .demand.waiting)" -ge 200 ]; }
wait_for 40 "200 reads to wait" many_wait
note "$(guest_status g .demand.waiting) reads wait"

timed() # WHAT SCRIPT: its milliseconds, by its own clock
{
	local ms
	ms=$(guest g 20 "$2") || fail "$1 does not end: $ms"
	assert_below "ms of $1" $bound_ms "$ms"
	note "$1: $ms ms"
}
timed "a cached read" 'io read $(cat /run/device) 0'
timed "a write with fsync" 'io write /var/tmp/x'
timed "fstrim" 'rm /var/tmp/x; s=$(date +%s); fstrim / && echo $((($(date +%s) - s) * 1000))'
wait_for 30 "state stalled" guest_status_is g .state stalled
wait_console g 30 'hydrootd: root: waiting for http://[^ ]*/debian\.hri \([^)]*\): .+: last byte [0-9]+ s ago, next try in [0-9]+ s, [0-9]{3} reads wait'
note "the console says: $(tr -d '\r' <"$T/g.console" | grep -a 'hydroot.*waiting' | tail -n 1)"

while [ $(($(now_ms) - down_ms)) -lt $((outage_s * 1000)) ]; do
	guest g 20 'io write /var/tmp/x && cat /etc/os-release' >/dev/null ||
		fail "a write failed while the server was away"
	sleep 1
done
refute "the readers ended without a server" guest g 5 'test -s /run/readers || test -e /run/cached.done'
said=$(tr -d '\r' <"$T/g.console" | grep -ac 'hydroot.*waiting')
note "the console said so $said times in $outage_s s"
assert "it says so every 10 s" test "$said" -ge $((outage_s / 10 - 2))
assert "it says so no more often" test "$said" -le $((outage_s / 10 + 2))
refute "a unit failed meanwhile" guest g 20 'systemctl --failed --no-legend | grep .'
sent_before=$(wc -l <"$(nginx_log web)")
restart_nginx web
back_ms=$(now_ms)
note "server is back"
answers_again() { [ "$(wc -l <"$(nginx_log web)")" -gt "$sent_before" ]; }
wait_for 60 "the guest to ask again" answers_again
recovery_ms=$(($(now_ms) - back_ms))
note "asked again after $recovery_ms ms"
# Two seconds by the clock of a guest under emulation, and what nginx needs.
assert_below "ms until the guest asked again" $((5000 * ${HYDROOT_SLOWER:-1})) "$recovery_ms"
guest g 90 'until test -s /run/readers; do sleep 0.2; done; cat /run/readers' >"$T/readers"
note "$(cat "$T/readers")"
assert_contains "all reads were answered" "^$(wc -l <"$T/some") reads" "$T/readers"
guest g 60 'cat /run/got' >"$T/got"
expected_blocks "$raw" "$T/some" >"$T/want"
assert "all readers got the image's bytes" cmp "$T/got" "$T/want"
guest g 60 'until test -e /run/cached.done; do sleep 0.2; done'
assert_equal "errors of reads through the cache" '' "$(guest g 20 'cat /run/cached.errors')"

wait_resident g 2
note "resident"
assert_equal "what the trace ended by, without anybody saying so" mark "$(guest_status g .trace.ended)"
watchdogs_are_on() { [ "$(guest g 20 'systemctl service-watchdogs')" = yes ]; }
wait_for 60 "watchdogs of services to be on again" watchdogs_are_on
end_guest g "$hung"
refute "shutdown had trouble" console_has g 'Failed to (unmount|umount|detach)|emount.*ailed|I/O error|EXT4-fs error|[Aa]bort'
note "powered off"
