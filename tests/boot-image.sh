#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# The images of the boot tests can be made; made here, so that no boot test pays for it: with what the rows of the
# matrix need that are in every make check, which takes one core where the rest takes another.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
requires root mmdebstrap qemu-system-x86_64 hydrootd
tests/image.sh base
tests/distro.sh bookworm dracut >"$T/sizes" &
distro=$!
tests/image.sh all
tests/image.sh squashfs
wait $distro || fail "Debian's dracut makes no initramfs with hydroot"
