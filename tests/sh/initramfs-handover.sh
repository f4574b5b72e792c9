#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the initramfs leaves in /run for the root's programs until the root is resident, and that the
# script which runs then takes all of it away
. "$(dirname "$0")/../lib.sh"
requires busybox nginx

mkdir -p "$T/run/hydroot" "$T/sys/class/net/eth0" "$T/sys/class/net/ib0"
echo 52:54:00:12:34:56 >"$T/sys/class/net/eth0/address"
echo 80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01 >"$T/sys/class/net/ib0/address"

prepare() # SETTINGS
{
	busybox sh -c ". initramfs/lib.sh; hr_run=$T/run hr_sys=$T/sys; . initramfs/handover.sh
		$1; hr_prepare_handover 'eth0 ib0'" || fail "hr_prepare_handover"
}
prepare "hydroot_report='http://h/r?n=1'"
run=$T/run
assert_contains "networkd" '^MACAddress=52:54:00:12:34:56$' "$run/systemd/network/00-hydroot-eth0.network"
assert_contains "networkd" '^Unmanaged=yes$' "$run/systemd/network/00-hydroot-eth0.network"
assert_contains "its name" '^NamePolicy=keep$' "$run/systemd/network/00-hydroot-eth0.link"
assert_contains "InfiniBand" '^Name=ib0$' "$run/systemd/network/00-hydroot-ib0.network"
assert_contains "NetworkManager" '^managed=0$' "$run/NetworkManager/conf.d/00-hydroot-eth0.conf"
for unit in networking ifup@ systemd-suspend systemd-hibernate; do
	assert_contains "$unit" '=/run/hydroot/root/resident$' \
		"$run/systemd/system/$unit.service.d/00-hydroot.conf"
done
assert "the path is started" test -e "$run/systemd/system/paths.target.wants/hydroot-resident.path"
if command -v systemd-analyze >/dev/null; then
	cp -r "$run/systemd/system" "$T/units"
	SYSTEMD_UNIT_PATH="$T/units:" systemd-analyze verify --man=no --recursive-errors=no \
		"$T/units/hydroot-resident.path" "$T/units/hydroot-resident.target" \
		"$T/units/hydroot-release.service" >"$T/out" 2>&1 || true
	refute "systemd finds fault: $(cat "$T/out")" grep -q 'units/hydroot-.*: ' "$T/out"
fi

# The other end: the script, with /run moved and made-up tools that tell what they were asked.
mkdir "$T/bin"
for tool in systemctl networkctl nmcli curl; do
	printf '#!/bin/sh\necho "%s $*" >>%s/calls\n' "$tool" "$T" >"$T/bin/$tool"
	chmod +x "$T/bin/$tool"
done
sed "s|/run/|$run/|g" "$run/hydroot/.release" >"$T/release"
expect_exit 0 env PATH="$T/bin:$PATH" sh "$T/release"
assert_equal "what is left" "" "$(find "$run" -name '00-hydroot*')"
assert_contains "networkd is told" '^networkctl reload$' "$T/calls"
assert_contains "ifupdown starts" '^systemctl --no-block start networking$' "$T/calls"
assert_contains "the report" '^curl .*@.*/status.json http://h/r\?n=1&event=resident$' "$T/calls"

# Without report= nothing is posted.
rm "$T/calls"
prepare 'hydroot_report='
sed "s|/run/|$run/|g" "$run/hydroot/.release" >"$T/release"
expect_exit 0 env PATH="$T/bin:$PATH" sh "$T/release"
refute "a report" grep -q ^curl "$T/calls"

# The initramfs posts by itself, to a server that wants every line in its place.
rm "$T/bin/curl"
start_nginx web "$T"
echo '{"schema":1}' >"$T/body"
mkdir "$T/tools"
for tool in nc timeout sleep wc cat; do ln -s "$(command -v busybox)" "$T/tools/$tool"; done
busybox=$(command -v busybox)
# shellcheck disable=SC2154 # nginx_port is set by start_nginx
PATH=$T/tools $busybox sh -c ". ./initramfs/lib.sh; . ./initramfs/transport.sh; . ./initramfs/handover.sh
	hr_post 'http://127.0.0.1:${nginx_port[web]}/r?n=1&event=failed' $T/body" >"$T/answer" 2>&1 || true
assert_contains "posted" '"POST /r\?n=1&event=failed HTTP/1\.0"' "$(nginx_log web)"
