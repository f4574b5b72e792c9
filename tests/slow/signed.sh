#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# A signed image, and its key as image.pub in the initramfs, of the stand-alone builder and of dracut: it boots, and nobody
# is warned that it is not authenticated.  Signed by another key it is refused, with both keys' ids.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq cpio hydrootd hydroot-image mmdebstrap
tests/image.sh all
tests/distro.sh bookworm dracut >/dev/null

hydroot-image keygen "$T/site"
hydroot-image keygen "$T/other"
mkdir -p "$T/www" "$T/tree/etc/hydroot"
for key in site other; do
	cp --reflink=auto "$IMAGES/served/good/debian.hri" "$T/www/$key.hri"
	hydroot-image sign --key="$T/$key.key" "$T/www/$key.hri"
done
start_nginx web "$T/www"

tree=$IMAGES/base/tree
initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$IMAGES/base/kernel")" --root="$tree" --drivers=virtio \
	--daemon="$BUILD/hydrootd" --hook=tests/boot/tools.hook --public-key="$T/site.pub" \
	--output="$T/standalone.img" >/dev/null
# What dracut takes from /etc/hydroot of the machine that it runs on.
cp "$T/site.pub" "$T/tree/etc/hydroot/image.pub"
initramfs_with "$T/dracut.img" "$T/tree" "$IMAGES/bookworm-dracut/initrd.img"

start() # NAME BUILDER IMAGE
{
	start_hydroot_guest "$1" "$T/$2.img" "http://$GUEST_HOST:${nginx_port[web]}/$3.hri" \
		"rd.hydroot.onfail=poweroff rd.hydroot.fill=manual"
}

for builder in standalone dracut; do
	start "$builder" "$builder" site
	wait_login "$builder"
	wait_agent "$builder"
	refute "$builder: not authenticated" console_has "$builder" 'not authenticated'
	refute "$builder: a warning of it in the status" \
		grep -q 'not authenticated' <(guest_status "$builder" '.warnings[]')
	guest_status "$builder" .image.digest | grep -q '^sha256:' || fail "$builder: the status has no digest"
	stop_guest "$builder"
	note "$builder: signed by the right key"

	start "$builder-other" "$builder" other
	boot_fails "$builder-other" "$GUEST_BOOT_SECONDS" \
		'attach: .*HEAD: refused: .*, key id [0-9a-f]+; signed by [0-9a-f]+'
done
