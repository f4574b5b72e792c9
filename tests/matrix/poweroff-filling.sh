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

# ends_by VERB LAST-WORDS: what the kernel says at the end
ends_by()
{
	local verb=$1
	# So that the console has the kernel's words about the filesystem.
	start_hydroot_guest "$verb" "$IMAGES/boot/initramfs.img" \
		"http://$GUEST_HOST:${nginx_port[web]}/debian.hri" 'rd.hydroot.rate=100K loglevel=7'
	wait_login "$verb"
	wait_agent "$verb"
	assert_equal "state" filling "$(guest_status "$verb" .state)"
	guest "$verb" 60 'head -c 3000000 /dev/urandom >/var/tmp/written'
	note "$verb at $(guest_status "$verb" '"\(.resident.chunks) of \(.image.chunks) chunks"')"
	guest "$verb" 5 "systemctl $verb" || true
	wait_guest_end "$verb" 120
	console_has "$verb" "$2" || fail "$verb: the kernel did not say: $2"
	# Linux 6.1 does not say how it was mounted again.
	tr -d '\r' <"$T/$verb.console" | sed -n "/Remounting '\/' read-only/,\$p" |
		grep -aqE 'EXT4-fs \(dm-0\): re-mounted' || fail "$verb: the root was not made read-only"
	refute "$verb: shutdown had trouble" console_has "$verb" \
		'Failed to (unmount|umount|detach|remount)|I/O error|EXT4-fs error|[Aa]bort|blocked for more than|Kernel panic'
	note "$verb: done"
}

ends_by poweroff 'reboot: Power down'
ends_by reboot 'reboot: Restarting system'
