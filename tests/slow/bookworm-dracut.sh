#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 700
# Debian 12 with dracut and systemd in the initrd, its network by systemd-networkd: `make install
# install-dracut`, dracut, and root=hydroot:URL is all that it takes.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/distroboot.sh
. "$TOP/tests/distroboot.sh"
life_of_root bookworm dracut ''
