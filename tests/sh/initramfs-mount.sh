#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# How the root is mounted, with a made-up mount: "/" of an overlay is what it is in the image, rootfstype= may be a list,
# and what the first image is like does not bind the fallback
. "$(dirname "$0")/../lib.sh"
requires busybox dash getfattr

sed "s|/run/hydroot|$T/run|g" initramfs/lib.sh >"$T/lib.sh"

try() # SNIPPET: what it says, the same in both shells
{
	for shell in 'busybox sh' dash; do
		rm -rf "$T/run"
		mkdir -p "$T/run"
		# shellcheck disable=SC2086 # busybox sh
		$shell -c "hr_console=/dev/stdout; . $T/lib.sh; hr_can_discard() { false; }
			hr_fs_type() { echo \${magic-squashfs}; }
			hr_mount() { echo \"mount \$1 \$3 \$4\"; }; $1" 2>&1 | sed 's/^\[ *[0-9.]*\]/[TIME]/' >"$T/out.${shell##* }"
	done
	cmp "$T/out.sh" "$T/out.dash" || fail "dash differs: $(diff "$T/out.sh" "$T/out.dash")"
	cat "$T/out.dash"
}

# The lower layer gets its properties when it is mounted.
lower='hr_mount() { [ "$1" != squashfs ] || { chmod 555 "$4" && $label; }; }; label=true'
[ "$(id -u)" != 0 ] || lower="$lower; label=\"setfattr -n security.selinux -v root_t $T/run/.overlay/lower\""
try "$lower; hr_mount_root /dev/x $T/root"
assert_equal "said" "" "$(cat "$T/out.dash")"
assert_equal "mode" 555 "$(stat -c %a "$T/run/.overlay/layer/upper")"
[ "$(id -u)" != 0 ] || assert_equal "label" root_t \
	"$(getfattr --absolute-names --only-values -n security.selinux "$T/run/.overlay/layer/upper")"
try "hydroot() { echo nonsense; false; }; hr_mount_root /dev/x $T/root" >"$T/said"
assert_contains "it goes on" 'warning: overlay: / is not all that it is in the image: nonsense$' "$T/said"
assert_contains "it goes on" '^mount overlay hydroot-root ' "$T/said"

# Types in turn, that of the magic number first; mounts refuses all but what is named.
takes='hr_mount() { echo "mount $1 $2"; hr_error=refused; [ "$1" = overlay ] || [ "$1" = tmpfs ] || $good; }; hydroot() { :; }'
mounted() { try "$takes; $1; hr_mount_root /dev/x $T/root; echo \$? \$hr_type" >"$T/said"; xargs <"$T/said"; } # SETTINGS
assert_equal "by magic number" "mount ext4 rw 0 ext4" "$(mounted 'magic=ext4 good=true')"
assert_equal "as it is said" "mount ext3 rw 0 ext3" "$(mounted 'magic=ext4 good=true hydroot_rootfstype=ext3')"
assert_equal "one of a list" "mount ext4 rw 0 ext4" "$(mounted 'magic=ext4 good=true hydroot_rootfstype=xfs,ext4')"
assert_equal "in turn" "mount jfs rw mount f2fs rw 0 f2fs" \
	"$(mounted 'magic= hydroot_rootfstype=jfs,f2fs good=eval\ [\ \$1\ =\ f2fs\ ]')"
assert_equal "none fits" "mount jfs rw mount f2fs rw 1 f2fs" "$(mounted 'magic= hydroot_rootfstype=jfs,f2fs good=false')"

# The fallback.
fallback='hr_is_fallback=1 hydroot_rootfstype=ext4'
upper="mount overlay rw,lowerdir=$T/run/.overlay/lower,upperdir=$T/run/.overlay/layer/upper,workdir=$T/run/.overlay/layer/work"
assert_equal "another filesystem" "mount squashfs ro mount tmpfs mode=755,size=50% $upper 0 squashfs" \
	"$(mounted "$fallback hydroot_overlay=none good=true")"
assert_equal "overlay= that fits any" "mount ext4 ro mount tmpfs mode=755,size=50% $upper 0 ext4" \
	"$(mounted "$fallback hydroot_overlay=tmpfs magic=ext4 good=true")"
assert_equal "of no known magic number" "mount ext4 rw 0 ext4" "$(mounted "$fallback magic= good=true")"
assert_equal "flags that fit" "mount btrfs rw,subvol=x 0 btrfs" "$(mounted "$fallback magic=btrfs hydroot_rootflags=subvol=x good=true")"
mounted "$fallback magic=xfs hydroot_rootflags=subvol=x good='eval [ \$2 = rw ]'" >"$T/flags"
assert_contains "flags that do not" \
	'^mount xfs rw,subvol=x .*fallback: rootflags=subvol=x: not for this one: mounted without mount xfs rw 0 xfs$' "$T/flags"
assert_equal "flags bind the first" "mount xfs rw,subvol=x 1 xfs" "$(mounted "magic=xfs hydroot_rootflags=subvol=x good='eval [ \$2 = rw ]'")"

# A filesystem that the kernel has not is named, with the way out; not where it has it, or where it is a helper's.
printf 'nodev\ttmpfs\n\text4\n' >"$T/filesystems"
fails() # TYPE
{
	busybox sh -c ". initramfs/lib.sh; hr_filesystems=$T/filesystems; mount() { echo 'No such device'; false; }
		hr_mount $1 ro /dev/x /nowhere; echo \"\$hr_error\""
}
assert_equal "no erofs" "erofs: this kernel cannot mount it: its module is not in the initramfs (hydroot-check)" "$(fails erofs)"
assert_equal "ext4" "/dev/x: mount as ext4 (ro): No such device" "$(fails ext4)"
assert_equal "of a helper" "/dev/x: mount as ntfs (ro): No such device" "$(fails ntfs)"
