#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
# While the root comes over the network, the root's own network service leaves the boot interface as it is, also when it is
# restarted; when the root is resident it configures that interface as it likes.  NetworkManager, ifupdown and
# systemd-networkd, each in a boot of its own.  Meanwhile sleep is refused, what waits for
# hydroot-resident.target waits, and plymouth is told how far the fill is.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh services
image=$IMAGES/services/debian.hri
chunk_bytes=$(hydroot-image info --json "$image" | jq -r '.chunk_bytes // .chunk_size')

# says SCRIPT: what it prints in the guest.  An agent that does not answer is not one that has nothing to say.
says()
{
	local said
	said=$(guest g 60 "$1"$'\n''echo "(asked)"') || fail "guest g does not answer: $1"
	case $said in *'(asked)') ;; *) fail "guest g does not answer: $1" ;; esac
	said=${said%'(asked)'}
	echo "${said%$'\n'}"
}
addresses() { says 'ip -o -4 addr show dev eth0 scope global' | awk '{ print $4 }'; }
has_address() { addresses | grep -qxF "$1"; } # ADDRESS
kept_files() { says 'find /run/systemd /run/NetworkManager -name "00-hydroot*" -o -name "zz-hydroot*.conf" 2>/dev/null'; }
state() { says "systemctl show -P ActiveState $1"; }	    # UNIT
nm_state() { says 'nmcli -g GENERAL.STATE device show eth0' | sed 's/.*[0-9] (\(.*\))$/\1/'; }

is_active() { [ "$(state "$1")" = active ]; } # UNIT

# boot APPEND...: as far as login, with nothing filled
boot()
{
	start_nginx web "$IMAGES/services"
	data_offsets 300 1 >"$T/offsets"
	start_guest g "$IMAGES/boot/initramfs.img" "rw ip=dhcp rd.hydroot.fill=manual $* \
		root=hydroot:http://$GUEST_HOST:${nginx_port[web]}/debian.hri"
	wait_login g
	wait_agent g
	address=$(addresses)
	[ -n "$address" ] || fail "eth0 has no address"
	assert "files that keep the interface" test -n "$(kept_files)"
	guest g 60 'cat >/run/systemd/system/waits.service <<"END"
[Unit]
Requires=hydroot-resident.target
After=hydroot-resident.target
[Service]
Type=oneshot
ExecStart=/bin/touch /run/waited
END
	systemctl --no-block start waits'
}

# reads_new: a block whose chunk was not there comes from the server
reads_new()
{
	local offset before
	before=$(guest_status g .fetched.demand_bytes)
	while read -r offset <&3; do
		sed -i 1d "$T/offsets"
		guest g 120 "dd if=/dev/block/\$(mountpoint -d /) iflag=direct of=/dev/null bs=4096 count=1 \
			skip=$((offset / 4096)) status=none" || return 1
		[ "$(guest_status g .fetched.demand_bytes)" -le "$before" ] || return 0
	done 3< <(cat "$T/offsets")
	return 1
}

# untouched AFTER-WHAT: the interface is as it was, and what was never read can be read
untouched()
{
	assert_equal "addresses after $1" "$address" "$(addresses)"
	reads_new || fail "after $1 nothing more can be read"
	note "$1: eth0 is as it was"
}

becomes_resident()
{
	assert_equal "what waits for residence" '' "$(says 'ls /run/waited 2>/dev/null')"
	guest_hydroot g 60 'resume root' || fail "the fill does not start"
	guest_hydroot g 400 'wait root --for=resident --timeout=6m' || fail "not resident in six minutes"
	stop_nginx web
	is_released() { guest g 60 'test -e /run/waited && systemctl -q is-active hydroot-release.service'; }
	wait_for 90 "what waits for residence to run" is_released
	assert_equal "files that keep the interface" '' "$(kept_files)"
	note "resident, and released"
}

end_boot()
{
	assert_equal "units that failed" '' "$(says "systemctl --failed --no-legend --plain | grep -v ${1:-hydroot-no-such-unit}")"
	assert_no_io_errors g
	guest g 5 'systemctl poweroff' || true
	wait_guest_end g 120
}

note "NetworkManager"
boot systemd.mask=networking.service
guest g 60 'systemctl -q is-active NetworkManager' || fail "NetworkManager does not run"
assert_equal "eth0 in NetworkManager" unmanaged "$(nm_state)"
untouched "the start of NetworkManager"
guest g 120 'systemctl restart NetworkManager' || fail "NetworkManager does not restart"
untouched "a restart of NetworkManager"
guest g 60 'systemctl suspend' || true
refused() { guest g 60 'journalctl -b --no-pager -o cat -u systemd-suspend' | grep -q 'sleep is refused: the root still comes'; }
wait_for 60 "the reason why sleep is refused" refused
assert_equal "systemd-suspend.service" failed "$(state systemd-suspend.service)"
untouched "a refused suspend"
# A splash without a screen, and once more after the boot: what it is told is in its own log.
guest g 60 'plymouthd --mode=boot --debug --debug-file=/run/plymouth.log >/run/plymouthd.out 2>&1' || fail "plymouth does not start"
# It is told every ten seconds: the fill has to last for longer.  What it was told it writes when it quits.
guest_hydroot g 60 'set root rate=1M'
guest_hydroot g 60 'resume root' || fail "the fill does not start"
sleep 30
guest g 60 'plymouth quit' || fail "plymouth does not quit"
is_written() { guest g 60 'cat /run/plymouth.log' >"$T/plymouth"; }
wait_for 30 "the log of plymouth" is_written
assert_contains "what plymouth was told" 'hydroot: [0-9]+% of 2048 MiB' "$T/plymouth"
guest_hydroot g 60 'set root rate=0'
note "plymouth is told of the fill"
becomes_resident
managed() { case $(nm_state) in connected*) ;; *) false ;; esac; } # also "connected (externally)"
wait_for 90 "NetworkManager to configure eth0" managed
note "NetworkManager has eth0: $(nm_state), $(addresses | xargs)"
end_boot systemd-suspend

note "ifupdown"
boot systemd.mask=NetworkManager.service
guest g 60 'printf "auto eth0\niface eth0 inet static\n  address 10.0.2.77/24\n  gateway 10.0.2.2\n" >/etc/network/interfaces.d/eth0'
untouched "the start of the system"
guest g 60 'systemctl restart networking' || fail "a skipped start of networking fails"
untouched "a restart of networking"
becomes_resident
wait_for 90 "ifupdown to configure eth0" has_address 10.0.2.77/24
wait_for 30 "networking.service" is_active networking
says 'ip -4 route' >"$T/routes"
assert_contains "the default route" '^default via 10\.0\.2\.2 ' "$T/routes"
note "ifupdown has eth0: $(addresses | xargs)"
end_boot

note "systemd-networkd"
boot systemd.mask=NetworkManager.service systemd.mask=networking.service systemd.wants=systemd-networkd.service
guest g 60 'printf "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.78/24\nGateway=10.0.2.2\n" >/etc/systemd/network/50-own.network'
untouched "the start of systemd-networkd"
guest g 60 'systemctl restart systemd-networkd' || fail "systemd-networkd does not restart"
untouched "a restart of systemd-networkd"
becomes_resident
wait_for 90 "systemd-networkd to configure eth0" has_address 10.0.2.78/24
note "systemd-networkd has eth0: $(addresses | xargs)"
end_boot
