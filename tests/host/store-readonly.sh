#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: none
# A read-only device on a persistent store needs nobody once all is there, and what it leaves is found again.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd losetup
host_image
start_nginx web "$served"
fetched() { status_key "$1" '.fetched | .demand_bytes + .fill_bytes + .hot_bytes'; }
no_daemon() { [ -z "$(daemon_pids storero)" ]; }

truncate -s 300M "$T/disk"
# Noise where the image has zeros: the kernel must not see it afterwards.
dd if=/dev/zero bs=1M count=290 status=none | tr '\000' 'n' |
	dd of="$T/disk" bs=1M seek=8 conv=notrunc iflag=fullblock status=none
attach_loop "$T/disk"

once() # STORE
{
	attach storero --read-only --store="$1" "$(nginx_url web test.hri)"
	expect_exit 0 hydroot wait storero --for=resident --timeout=90s
	wait_for 20 "the daemon to exit" no_daemon
	assert "state" status_is storero .state cached
	assert "handed over" status_is storero .handover.done true
	echo 3 >/proc/sys/vm/drop_caches
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
	note "$1: handed over by $(status_key storero .handover.method), fetched $(fetched storero) bytes"
	bytes=$(fetched storero)
	inner=$(status_key storero .store.device)
	inner_diskseq=$(diskseq "$inner")
	expect_exit 0 hydroot detach storero
	refute "the device is still there" test -e "$device"
}

for store in "$loop" "$T/cache"; do
	once "$store"
	refute "nothing was fetched at first" test "$bytes" = 0
	case $inner in /dev/loop*)
		[ "$inner" = "$loop" ] ||
			refute "$inner is left behind" test "$(diskseq "$inner")" = "$inner_diskseq"
	esac
	once "$store"
	assert_equal "bytes fetched the second time" 0 "$bytes"
done
assert "the user's own loop device is still there" losetup "$loop"
