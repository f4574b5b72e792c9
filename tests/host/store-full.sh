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
	assert "state" status_is storefull .state "$state"
	there=$(status_key storefull .resident.chunks)
	note "$*: full with $there chunks there: $(status_key storefull .error)"
	# Blocks of the first chunks came first.
	dd if="$device" iflag=direct bs=1M count=8 status=none | cmp -n 8388608 - "$raw" ||
		fail "what is there differs"
	assert "the daemon lives" test -n "$(daemon_pids storefull)"
}

note "a store that may not take so much, before it is made"
for store in zram memory; do
	expect_exit 1 timeout 30 hydroot attach --name=storefull --low-memory=fail --store=$store \
		--store-limit=40M "$url"
	assert_contains "both numbers" \
		'memory: the image needs about [0-9]+ MiB, store-limit allows 40 MiB: low-memory=stream' "$T/out"
	attach storefull --store=$store --store-limit=40M "$url"
	assert_equal "mode with a store that is too small" stream "$(status_key storefull .mode)"
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" ||
		fail "$store: the device differs"
	expect_exit 0 hydroot detach storefull
done

# What was written comes on top of the image, which would have fitted.
fill_up() # ARGUMENT...
{
	attach storefull --fill=manual --store-limit=160M "$@" "$url"
	# More than the image has there, and nothing that could be compressed.
	dd if=/dev/urandom of="$device" oflag=direct bs=1M seek=90 count=100 conv=notrunc status=none
	hydroot resume storefull
}
held() { status_key storefull .warnings[] | grep -q "^memory: the store is full with [0-9]* MiB, which is its store-limit: $1"; }

note "zram at its limit, while it fills"
fill_up
wait_for 60 "mode stream" held 'going on in mode stream'
assert "the mode" status_is storefull .mode stream
dd if="$device" iflag=direct bs=1M count=90 status=none | cmp -n 94371840 - "$raw" ||
	fail "what was read in mode stream differs"
expect_exit 0 hydroot detach storefull

fill_up --low-memory=fail
wait_for 60 "the fill to rest" held 'the fill rests until there is more'
wait_for 10 "the state" status_is storefull .state paused
dd if="$device" iflag=direct bs=1M count=8 status=none | cmp -n 8388608 - "$raw" ||
	fail "what is there differs"
expect_exit 0 hydroot detach storefull

note "a full filesystem"
truncate -s 80M "$T/small"
mke2fs -q -t ext4 -m 0 "$T/small"
mkdir "$T/mnt"
mount -o loop "$T/small" "$T/mnt"
defer umount "$T/mnt"
state=filling
survives --store="$T/mnt/cache"
# Space comes back: the fill goes on by itself as far as it can.
expect_exit 0 hydroot detach storefull
assert "the store was kept" test -s "$T/mnt/cache"
