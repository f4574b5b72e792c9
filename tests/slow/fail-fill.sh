#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# What can happen to a node in the middle of the fill, one after the other in one boot: everything is stopped and continued as
# PID 1 does it, the network service is restarted with a configuration for all interfaces, and the link is down for a
# minute, of which the console speaks.  Files are written and read all the time; nothing fails, and the fill goes on.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
start_nginx web "$IMAGES/served/good"

start_hydroot_guest g "$IMAGES/boot/initramfs.img" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri" \
	'rd.hydroot.fill=manual rd.hydroot.rate=100K'
wait_login g
note login
wait_agent g
start_workload g
guest_hydroot g 60 'resume root' || fail "the fill does not start"

# What an event must not end: fill, reads and writes.
filled() { guest_status g .fetched.fill_bytes; }
goes_on() # WHAT: after it
{
	local bytes files
	bytes=$(filled) files=$(workload_files g)
	fills() { [ "$(filled)" -gt "$bytes" ]; }
	writes() { [ "$(workload_files g)" -gt "$files" ]; }
	wait_for 60 "the fill to go on after: $1" fills
	wait_for 60 "files to be written after: $1" writes
	refute "$1: a read or write failed" guest g 20 'test -s /run/load.errors'
	assert_equal "state after: $1" filling "$(guest_status g .state)"
	note "$1: the fill goes on"
}
goes_on "the start"

# All processes but PID 1 and the shell that does it; the daemon's are among them.
guest g 60 'for i in 1 2 3; do kill -STOP -1; sleep 3; kill -CONT -1; sleep 1; done'
goes_on "everything was stopped and continued"
assert_equal "restarts" '{"net":0,"serve":0}' "$(guest_hydroot g 60 'status root --json' | jq -c .restarts)"

guest g 60 'printf "[Match]\nName=*\n[Network]\nDHCP=yes\n" >/etc/systemd/network/90-all.network
	ip -o -4 addr show dev eth0 | awk "{ print \$4 }" >/run/address.before
	systemctl start systemd-networkd && sleep 2 && systemctl restart systemd-networkd' ||
	fail "systemd-networkd does not start"
goes_on "the network service was restarted"
guest g 60 'networkctl status --no-pager eth0' >"$T/networkctl"
assert_contains "what eth0 is configured by" 'Network File: /run/systemd/network/00-hydroot-eth0.network' "$T/networkctl"
guest g 60 'ip -o -4 addr show dev eth0 | awk "{ print \$4 }" | cmp - /run/address.before' || fail "eth0 has another address"

waiting() { tr -d '\r' <"$T/g.console" | grep -a 'hydrootd: root: waiting for http://.* reads wait' || true; }
said=$(waiting | wc -l)
monitor g 'set_link n0 off'
note "the link is down"
down_ms=$(now_ms)
says_so() { [ "$(waiting | wc -l)" -gt "$said" ]; }
wait_for 60 "the console to say that it waits" says_so
note "$(waiting | tail -n 1)"
wait_for 30 "state stalled" guest_status_is g .state stalled
before=$(filled)
until [ $(($(now_ms) - down_ms)) -ge 60000 ]; do sleep 1; done
assert_equal "bytes filled without a link" "$before" "$(filled)"
refute "a unit failed meanwhile" guest g 60 'systemctl --failed --no-legend | grep .'
monitor g 'set_link n0 on'
note "the link is up"
goes_on "the link was down for a minute"

guest_hydroot g 60 'set root rate=20M'
wait_resident g
stop_nginx web
stop_workload g
note resident
is_released() { guest g 60 'systemctl -q is-active hydroot-resident.target'; }
wait_for 60 "hydroot-resident.target" is_released
assert_manifest g
assert_workload g
note "all files of the image and all written files are right"
end_guest g
