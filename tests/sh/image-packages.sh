#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whatever package hydroot-image says that it misses is among those that its own recommends or suggests.
. "$(dirname "$0")/../lib.sh"

awk '/^Package:/ { on = $2 == "hydroot-image" } on && /^(Recommends|Suggests):/' debian/control |
	sed 's/^[A-Za-z]*: *//; s/, */\n/g' | sort >"$T/named"
# Those of input_compressed.c are in a table; tar and gzip are in every Debian.
{
	sed -nE 's/.*\.package = "([^"]+)".*/\1/p; s/^#define PACKAGE "([^"]+)"/\1/p' imgfmt/tool/*.c
	sed -n '/compresseds\[\]/,/^}/p' imgfmt/tool/input_compressed.c | grep -oE '"[a-z0-9-]+"\}' | tr -d '"}'
} | sort -u | grep -vxE 'tar|gzip' >"$T/wanted"
for some in umoci zstd qemu-utils e2fsprogs; do assert "among what was compared: $some" grep -qx $some "$T/wanted"; done
comm -23 "$T/wanted" "$T/named" >"$T/missing"
[ ! -s "$T/missing" ] || fail "debian/control does not suggest $(xargs <"$T/missing")"
