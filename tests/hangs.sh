# shellcheck shell=bash disable=SC2154 # what lib.sh sets
# SPDX-License-Identifier: Apache-2.0
#
# hangs.sh - a filesystem that stops answering when its server is away, as NFS does; sourced
# after lib.sh
#
# It is one of ours, whose own image comes from the nginx named `outer`.

# mount_hanging NAME: $image as $T/mnt/test.hri, in a filesystem on the attachment NAME, of which nothing has been read.
# The server is there again before the test undoes it all: else nobody could end.
mount_hanging()
{
	mkdir -p "$T/tree" "$T/outer" "$T/mnt"
	cp "$image" "$T/tree/test.hri"
	mke2fs -q -t ext4 -b 4096 -m 0 -E lazy_itable_init=0,lazy_journal_init=0 -d "$T/tree" "$T/outer.ext4" 192M
	"$TOP/build/hydroot-image" build "$T/outer.ext4" "$T/outer/outer.hri" >/dev/null
	rm -r "$T/tree" "$T/outer.ext4"
	start_nginx outer "$T/outer"
	attach "$1" --fill=manual --store=memory "$(nginx_url outer outer.hri)"
	mount -o ro,noload "$device" "$T/mnt"
	defer umount -l "$T/mnt"
	defer answers
}

answers() { [ -n "${nginx_pid[outer]}" ] || restart_nginx outer; }

# blocks_are_right FROM TO: of $device, at the offsets on these lines of $T/offsets
blocks_are_right()
{
	local off
	sed -n "$1,$2p" "$T/offsets" | while read -r off; do
		cmp -s <(dd if="$device" iflag=direct bs=4096 skip=$((off / 4096)) count=1 status=none) \
			<(dd if="$raw" bs=4096 skip=$((off / 4096)) count=1 status=none) || fail "the block at $off differs"
	done
}
