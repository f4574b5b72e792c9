# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# network.sh - a guest `g` whose root has network services of its own, and what they may do to the boot's interface;
# sourced after qemu.sh
#
# The root is that of `tests/image.sh services`, or network_image; it boots with network_initrd, from network_host.
# shellcheck disable=SC2034,SC2154,SC2317 # lib.sh's variables; functions that wait_for calls

network_image=${network_image:-$IMAGES/services}
network_initrd=${network_initrd:-$IMAGES/boot/initramfs.img}
network_host=${network_host:-$GUEST_HOST}
network_family=${network_family:--4}

# says SCRIPT: what it prints in the guest.  An agent that does not answer is not one that has nothing to say.
says()
{
	local said
	said=$(guest g 60 "$1"$'\n''echo "(asked)"') || fail "guest g does not answer: $1"
	case $said in *'(asked)') ;; *) fail "guest g does not answer: $1" ;; esac
	said=${said%'(asked)'}
	echo "${said%$'\n'}"
}
addresses() { says "ip -o $network_family addr show dev eth0 scope global" | awk '{ print $4 }'; }
has_address() { addresses | grep -qxF "$1"; } # ADDRESS
kept_files() { says 'find /run/systemd /run/NetworkManager -name "00-hydroot*" -o -name "zz-hydroot*.conf" 2>/dev/null'; }
state() { says "systemctl show -P ActiveState $1"; }	    # UNIT
nm_state() { says 'nmcli -g GENERAL.STATE device show eth0' | sed 's/.*[0-9] (\(.*\))$/\1/'; }

is_active() { [ "$(state "$1")" = active ]; } # UNIT

# boot APPEND...: as far as login, with nothing filled
boot()
{
	start_nginx web "$network_image"
	image=$network_image/debian.hri
	chunk_bytes=$(hydroot-image info --json "$image" | jq -r '.chunk_bytes // .chunk_size')
	data_offsets 300 1 >"$T/offsets"
	start_guest g "$network_initrd" "rw rd.hydroot.fill=manual $* \
		root=hydroot:http://$network_host:${nginx_port[web]}/debian.hri"
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

# fills_slowly: until becomes_resident
fills_slowly()
{
	guest_hydroot g 60 'set root rate=100K'
	guest_hydroot g 60 'resume root' || fail "the fill does not start"
	assert_equal "state" filling "$(guest_status g .state)"
}

becomes_resident()
{
	assert_equal "what waits for residence" '' "$(says 'ls /run/waited 2>/dev/null')"
	guest_hydroot g 60 'set root rate=0'
	guest_hydroot g 60 'resume root' || fail "the fill does not start"
	wait_resident g 6
	stop_nginx web
	is_released() { guest g 60 'test -e /run/waited && systemctl -q is-active hydroot-release.service'; }
	wait_for 90 "what waits for residence to run" is_released
	assert_equal "files that keep the interface" '' "$(kept_files)"
	note "resident, and released"
}

end_boot() # UNIT|none: that may have failed
{
	assert_equal "units that failed" '' "$(says "systemctl --failed --no-legend --plain | grep -v $1")"
	end_guest g
}

# NetworkManager leaves eth0 alone, when it starts and when it is restarted.
network_manager_waits()
{
	guest g 60 'systemctl -q is-active NetworkManager' || fail "NetworkManager does not run"
	assert_equal "eth0 in NetworkManager" unmanaged "$(nm_state)"
	untouched "the start of NetworkManager"
	guest g 120 'systemctl restart NetworkManager' || fail "NetworkManager does not restart"
	untouched "a restart of NetworkManager"
}

network_manager_manages()
{
	managed() { case $(nm_state) in connected*) ;; *) false ;; esac; } # also "connected (externally)"
	wait_for 90 "NetworkManager to configure eth0" managed
	note "NetworkManager has eth0: $(nm_state), $(addresses | xargs)"
}
