#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
#
# An image that lists its kernels, and not the running one, is refused in a boot before anything is made of it; the
# image's own description and the status of the attachment name the kernels, in JSON
. "$(dirname "$0")/../lib.sh"
requires root mke2fs jq hydrootd

mkdir -p "$T/tree/lib/modules/0.0.1/kernel" "$T/tree/etc" "$T/run"
touch "$T/tree/lib/modules/0.0.1/modules.dep"
hydroot-image build "$T/tree" "$T/i.hri"
assert_equal "kernels of the image" '["0.0.1"]' "$(hydroot-image info --json "$T/i.hri" | jq -c .meta.kernels)"

export HYDROOT_RUN_DIR=$T/run
defer hydroot detach root
for key in '' rd.hydroot.kernel-check=fail; do
	echo "root=hydroot:file://$T/i.hri $key" >"$T/cmdline"
	expect_exit 1 hydrootd --boot --cmdline="$T/cmdline" </dev/null
	assert_contains "on the console" 'META: refused: the image is for kernel 0\.0\.1, this is' "$T/out"
	assert_equal "status ($key)" \
		"failed image: META: refused: the image is for kernel 0.0.1, this is $(uname -r): boot that, or kernel-check=warn" \
		"$(hydroot status root --json | jq -r '"\(.state) \(.error)"')"
	refute "a device" test -e /dev/hydroot/root
done
