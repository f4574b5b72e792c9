#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 700
# Debian 12 with its own initramfs-tools: `make install install-initramfs-tools`, update-initramfs, and
# root=hydroot:URL is all that it takes.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/distroboot.sh
. "$TOP/tests/distroboot.sh"
life_of_root bookworm initramfs-tools ''
