#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-check says of each fixture kernel which modes work and what is missing
. "$(dirname "$0")/../lib.sh"

roots=tests/fixtures/roots

works() # MODE...: lines of the output, in order hybrid full stream dm loop
{
	assert_equal "modes of $kernel" "$*" \
		"$(sed -nE 's/^(hybrid|full|stream|handover dm|handover loop) .* //p' "$T/out" |
			sed 's/^work$/no/; s/^works$/yes/' | tr '\n' ' ' | sed 's/ $//')"
}

lines() { grep -cE '^[a-z_0-9-]+: ' "$T/out" || true; }

check() # CODE FOLDER
{
	kernel=$2
	expect_exit "$1" hydroot-check --root "$roots/$2"
}

check 0 6.1-debian
works yes yes yes yes yes
assert_equal "misses of 6.1-debian" 0 "$(lines)"

check 0 6.12-built-in
works yes yes yes yes yes
assert_equal "misses of 6.12-built-in" 0 "$(lines)"

check 0 6.18-no-dm
works yes yes yes no yes
assert_contains "dm" '^dm_mod: CONFIG_BLK_DEV_DM is not set: .*: build the kernel' "$T/out"
assert_contains "loop's depth" '^loop-depth: set too low: .*hw_queue_depth=1024' "$T/out"
assert_equal "misses of 6.18-no-dm" 2 "$(lines)"

check 1 6.6-no-fuse
works no yes no no no
assert_contains "fuse" '^fuse: CONFIG_FUSE_FS=m, but not below .*or use mode=full$' "$T/out"
assert_contains "xfs" '^xfs: .*not required, but wanted: images with xfs' "$T/out"

check 1 5.4-old
works no yes no no no
assert_contains "LOOP_CONFIGURE" '^loop-configure: .*5\.8' "$T/out"

# A kernel of which nothing is known but its name.
expect_exit 0 hydroot-check --root "$T" --kernel 6.1.0
assert_contains "unknown" '^unknown: .*fuse' "$T/out"
