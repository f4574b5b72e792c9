#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# A node that is not resident yet is powered off, and another is rebooted: systemd stops all that runs, the root is
# made read-only while it still comes over the network, and the machine ends without hanging.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
tests/image.sh all
start_nginx web "$IMAGES/served/good"

url=http://$GUEST_HOST:${nginx_port[web]}/debian.hri
end_while_filling poweroff "$IMAGES/boot/initramfs.img" "$url" poweroff
end_while_filling reboot "$IMAGES/boot/initramfs.img" "$url" reboot
