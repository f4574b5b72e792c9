#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: none
# The server's name leads to another address by now: the system's resolver files are read again, from
# the root that PID 1 has, and reads go on.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq unshare hydrootd

# In namespaces of its own, where PID 1 is this script and /etc/hosts its own file.
if [ -z "${HYDROOT_INSIDE-}" ]; then
	unshare --mount --pid true 2>/dev/null || skip "needs mount and pid namespaces"
	HYDROOT_INSIDE=1 unshare --mount --pid --fork --mount-proc "$0" || exit
	exit 0
fi
host_image
port=$(free_port)
NGINX_LISTEN=127.0.0.91 start_nginx old "$served" "$port"
printf '127.0.0.1 localhost\n127.0.0.91 image.test\n' >"$T/hosts"
mount --bind "$T/hosts" /etc/hosts
attach names1 --fill=manual --connect-timeout=2s "http://image.test:$port/test.hri"
io read "$device" $((100 * chunk_bytes)) >/dev/null
assert_equal "the address" 127.0.0.91 "$(status_key names1 '.servers[0].address')"

stop_nginx old
NGINX_LISTEN=127.0.0.92 start_nginx new "$served" "$port"
printf '127.0.0.1 localhost\n127.0.0.92 image.test\n' >"$T/hosts"
data_offsets 4 9 >"$T/offsets"
timeout 60 io readers "$device" "$T/got" "$T/offsets" >"$T/readers" || fail "the reads did not go on"
expected_blocks "$raw" "$T/offsets" >"$T/want"
assert "the blocks are the image's" cmp "$T/got" "$T/want"
assert_equal "the address" 127.0.0.92 "$(status_key names1 '.servers[0].address')"
assert_contains "it was said" "resolver files have changed: taken over" \
	"/run/hydroot/names1/log"
