#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# How the root is mounted, with a made-up mount: "/" of an overlay is what it is in the image
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
			hr_mount() { echo \"mount \$1 \$3 \$4\"; }; $1" >"$T/out.${shell##* }" 2>&1
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
