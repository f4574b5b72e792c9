#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: none
# A store that is full: what is there is read, the rest waits, the status says it, detach is clean.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq mke2fs losetup hydrootd
host_image
start_nginx web "$served"
url=$(nginx_url web test.hri)

has_error() { status_key storefull .error | grep -qi 'no space'; }

survives() # ARGUMENT...
{
	attach storefull "$@" "$url"
	wait_for 60 "the error in the status" has_error
	assert "state" status_is storefull .state filling
	there=$(status_key storefull .resident.chunks)
	note "$*: full with $there chunks there: $(status_key storefull .error)"
	# Blocks of the first chunks came first.
	dd if="$device" iflag=direct bs=1M count=8 status=none | cmp -n 8388608 - "$raw" ||
		fail "what is there differs"
	assert "the daemon lives" test -n "$(daemon_pids storefull)"
}

note "zram at its limit"
survives --store-limit=40M
expect_exit 0 hydroot detach storefull

note "plain memory at its limit"
survives --store=memory --store-limit=40M
expect_exit 0 hydroot detach storefull

note "a full filesystem"
truncate -s 80M "$T/small"
mke2fs -q -t ext4 -m 0 "$T/small"
mkdir "$T/mnt"
mount -o loop "$T/small" "$T/mnt"
defer umount "$T/mnt"
survives --store="$T/mnt/cache"
# Space comes back: the fill goes on by itself as far as it can.
expect_exit 0 hydroot detach storefull
assert "the store was kept" test -s "$T/mnt/cache"
