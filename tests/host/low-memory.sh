#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# An image that does not fit into memory is not begun with: both numbers are said.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

# With all memory reserved nothing fits.
for mode in hybrid full; do
	for action in fail fallback; do
		expect_exit 1 timeout 30 hydroot attach --name=low1 --mode=$mode \
			--low-memory=$action --reserve=100% --attach-timeout=20s \
			"$(nginx_url web test.hri)"
		assert_contains "why" \
			'memory: the image needs about [0-9]+ MiB, [0-9]+ MiB are available' "$T/out"
		refute "a device is left behind" test -e /dev/hydroot/low1
	done
done
assert_below "bytes fetched for nothing" 2000000 "$(nginx_bytes "$(nginx_log web)")"
