#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# NetworkManager in a root of Debian 13 leaves the boot interface as it is, also when it is restarted in the middle of the
# fill, and has it when the root is resident.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
# shellcheck source=tests/network.sh
. "$TOP/tests/network.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap
tests/image.sh trixie-services
tests/image.sh trixie-standalone
# shellcheck disable=SC2034 # read by start_guest and boot
GUEST_KERNEL=$IMAGES/trixie-base/vmlinuz
network_image=$IMAGES/trixie-services network_initrd=$IMAGES/trixie-standalone/initramfs.img

boot ip=dhcp systemd.mask=networking.service
fills_slowly
network_manager_waits
assert_equal "state" filling "$(guest_status g .state)"
becomes_resident
network_manager_manages
end_boot none
