#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 60
# sanitizers: none
# alone: the name root
# In a boot the fill begins after a time that each node draws for itself, so that many that boot together do not all fill
# at once; what is read comes meanwhile.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
[ ! -e /dev/hydroot/root ] || skip "the name root is taken"
host_image
start_nginx web "$served"
echo "root=hydroot:$(nginx_url web test.hri) rd.hydroot.debug" >"$T/cmdline"
export HYDROOT_RUN_DIR=$T/run
defer hydroot detach root

seen_held=''
for i in 1 2 3 4 5; do
	hydrootd --boot --cmdline="$T/cmdline" >"$T/out" 2>&1 || { cat "$T/out"; fail "not attached"; }
	ms=$(sed -n 's/.*fill: held for \([0-9]*\) ms.*/\1/p' "$T/run/root/log")
	note "boot $i: the fill is held for ${ms:-no} ms"
	assert_below "ms that the fill is held for" 10000 "${ms:-10000}"
	echo "$ms" >>"$T/drawn"
	if [ "$ms" -gt 2000 ]; then
		dd if=/dev/hydroot/root iflag=direct bs=4096 count=1 status=none of=/dev/null
		assert_equal "bytes filled before" 0 "$(status_key root .fetched.fill_bytes)"
		seen_held=yes
	fi
	hydroot detach root
done
assert "no two in five differ" test "$(sort -u "$T/drawn" | wc -l)" -gt 1
assert "it was never held for long" test -n "$seen_held"
