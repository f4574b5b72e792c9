#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# An image on a disk of the machine, with ip=dhcp where nobody answers: the boot does not fail for it, and does not take
# minutes.  The interface is not kept in the root, in which neither ifupdown nor sleep waits for anything.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 jq hydrootd
tests/image.sh all

# On a filesystem that a hook mounts, as an admin would.
mkdir -p "$T/disk" "$T/tree/usr/lib/hydroot/hooks"
cp --reflink=auto "$IMAGES/served/good/debian.hri" "$T/disk/"
truncate -s 1G "$T/ext4"
mke2fs -q -t ext4 -b 4096 -d "$T/disk" "$T/ext4"
cat >"$T/tree/usr/lib/hydroot/hooks/50-disk" <<'END'
# shellcheck disable=SC2154 # who sources this sets it
if [ "$stage" = pre-network ]; then
	modprobe ext4
	mkdir -p /images
	mount -t ext4 -o ro /dev/vda /images
fi
END
initramfs_with "$T/initramfs.img" "$T/tree"
# shellcheck disable=SC2034 # read by start_guest
GUEST_NET=(-netdev "hubport,id=n0,hubid=0" -device "virtio-net-pci,netdev=n0,romfile=")
start_guest g "$T/initramfs.img" "rw ip=dhcp root=hydroot:file:///images/debian.hri" \
	-drive "file=$T/ext4,format=raw,if=virtio,readonly=on"
wait_console g "$GUEST_BOOT_SECONDS" 'hydroot: warning: network: eth0: no address \(dhcp\) within 20 s: going on, the image is a file'
wait_login g
wait_agent g
assert_equal "files that keep the interface" '' \
	"$(guest g 60 'cd /run && find systemd NetworkManager -name "*00-hydroot*" -o -name "zz-hydroot*" 2>/dev/null')"
wait_resident g
end_guest g
