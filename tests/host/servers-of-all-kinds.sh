#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 150
# sanitizers: none
# An image from a file, from an IPv6 address, through servers that say no for a while, and what a
# captive portal is called.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image

reads() # ARGUMENT...
{
	attach kinds1 --attach-timeout=30s "$@"
	dd if="$device" iflag=direct bs=1M count=8 status=none | cmp -n 8388608 - "$raw" ||
		fail "the device differs"
}
leaves() { expect_exit 0 timeout 30 hydroot detach kinds1; }

note "a file, that is gone from its folder"
ln "$image" "$T/linked.hri" 2>/dev/null || cp "$image" "$T/linked.hri"
reads --fill=manual "file://$T/linked.hri"
rm "$T/linked.hri"
expect_exit 0 hydroot resume kinds1
expect_exit 0 hydroot wait kinds1 --for=resident --timeout=60s
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
assert_equal "no errors" 0 "$(status_key kinds1 '[.servers[].errors] | add')"
leaves
expect_exit 1 timeout 30 hydroot attach --name=kinds1 --attach-timeout=2s "file://$T/linked.hri"
assert_contains "a file that is not there" 'No such file' "$T/out"
timeout 20 hydroot detach kinds1 >"$T/out" 2>&1 || true

note "IPv6 only"
if (exec 3<>"/dev/tcp/::1/1") 2>&1 | grep -q 'Cannot assign\|not supported'; then
	note "this machine has no IPv6"
else
	NGINX_LISTEN='[::1]' start_nginx six "$served"
	reads --fill=manual "http://[::1]:${nginx_port[six]}/test.hri"
	assert_equal "its address" ::1 "$(status_key kinds1 '.servers[0].address')"
	leaves
fi

note "503 with Retry-After, then the file"
NGINX_SERVER="if (-f $T/busy) { return 503; } add_header Retry-After 2 always;" \
	start_nginx web "$served"
touch "$T/busy"
attach_later() { sleep 1; rm "$T/busy"; }
attach_later &
later=$!
reads --fill=manual "$(nginx_url web test.hri)"
wait $later
assert_contains "it was said" 'HTTP 503: service unavailable: next try in [23] s' \
	<(daemon_log kinds1; cat "$T/attach.log" 2>/dev/null)
leaves

note "portals"
NGINX_SERVER="location = /page { default_type text/html; return 200 '<html>login'; }
	location = /moved { return 302 http://localhost:\$server_port/page; }
	location = /login { return 511; }" start_nginx portal "$served"
refused() # PATTERN NAME
{
	expect_exit 1 timeout 60 hydroot attach --name=kinds1 --attach-timeout=2s \
		"$(nginx_url portal "$2")"
	assert_contains "$2" "$1" "$T/out"
	timeout 20 hydroot detach kinds1 >"$T/out" 2>&1 || true
}
refused 'HTTP 511: a captive portal' login
refused 'an HTML page instead of the file: a captive portal' page
refused 'redirected to localhost, which gave an HTML page' moved
