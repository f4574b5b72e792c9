#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# In a kernel that was started to save the memory of a crashed one no adapter claims the root, mounts
# anything or ends the boot: whoever saves the memory goes on.  The stand-alone init reboots after its hook.
. "$(dirname "$0")/../lib.sh"
requires busybox

mkdir -p "$T/bin" "$T/hooks.d" "$T/run" "$T/conf" "$T/dracut/initqueue/finished"
printf '#!/bin/sh\necho "hydroot_is_root=1"\n' >"$T/bin/hydrootd"
for name in reboot poweroff mount; do printf '#!/bin/sh\necho "%s $1"\n' $name >"$T/bin/$name"; done
chmod 755 "$T/bin"/*
# shellcheck disable=SC2016 # for the hook
echo '[ "$stage" != kdump ] || echo "the hook saves it"' >"$T/hooks.d/save"
export hr_lib=$TOP/initramfs hr_console=/dev/stdout hr_hook_dirs=$T/hooks.d PATH=$T/bin:$PATH

# A file with its places moved.
moved() # FILE
{
	sed "s|/lib/dracut-lib.sh|/dev/null|; s|/usr/lib/hydroot/boot.sh|$hr_lib/boot.sh|
		s|/usr/lib/hydroot/mkinitcpio.sh|$T/boot-mkinitcpio.sh|; s|/lib/hydroot/boot.sh|$hr_lib/boot.sh|
		s|^\. /scripts/functions|:|; s|^\. /scripts/hydroot|. $T/adapter|
		s|/usr/lib/hydroot/dracut.sh|$T/hydroot-lib.sh|; s|/conf/param.conf|$T/conf/param.conf|
		s|/run/|$T/run/|g; s|^PATH=.*||; s|^\texec .*||; s|=/sysroot|=$T/sysroot|" "initramfs/$1" >"$T/$(basename "$1")"
}

run() # VMCORE SNIPPET: what is said, without the time
{
	rm -rf "$T/run" "$T/conf/param.conf"
	mkdir -p "$T/run"
	hr_vmcore=$1 hr_aside=$T/run/hydroot/.aside busybox sh -c "
		hr_end() { echo \"end \$1\"; exit 0; }; hr_fail() { echo \"fail \$*\"; exit 1; }
		modprobe() { echo modprobe; }; mount() { :; }; sync() { :; }; reboot() { echo \"reboot \$1\"; exit 0; }
		$2" 2>&1 </dev/null | sed 's/^\[.*\] //' >"$T/out" || true
}
crash=$T/vmcore
: >"$crash"
aside="hydroot: /proc/vmcore: a crash kernel: hydroot stands aside
the hook saves it"

# Asked twice, it is said once; a boot that is not hydroot's hears nothing.
run "$crash" ". $hr_lib/boot.sh; hr_is_ours; echo \$?; hr_config; echo \$?"
assert_equal "the core" "$aside
1
1" "$(cat "$T/out")"
run "$crash" ". $hr_lib/boot.sh; hydrootd() { echo hydroot_is_root=0; }; hr_config; echo \$?"
assert_equal "another root" 1 "$(cat "$T/out")"
run "$T/none" ". $hr_lib/boot.sh; hr_is_ours; echo \$?; hr_config; echo \$?"
assert_equal "no crash" "0
0" "$(cat "$T/out")"

# initramfs-tools: BOOT stays local; with boot=hydroot nothing is mounted and the boot goes on.
moved initramfs-tools/scripts/init-premount/hydroot
mv "$T/hydroot" "$T/premount"
moved initramfs-tools/scripts/hydroot
cp "$T/hydroot" "$T/adapter"
run "$crash" "BOOT=local; . $T/premount; echo on"
assert_equal "init-premount" "$aside
on" "$(cat "$T/out")"
refute "the root is claimed" test -e "$T/conf/param.conf"
# A shell at rd.break=kdump is the initramfs's own, and panic= keeps it away.
stop="hydroot_rd_break=kdump BOOT=local; panic() { echo \"panic \$*\"; }"
run "$crash" "$stop; . $T/premount; echo on"
assert_equal "rd.break=kdump" "$aside
hydroot: rd.break: a shell at kdump; leaving it goes on
panic hydroot: leave the shell to go on
on" "$(cat "$T/out")"
run "$crash" "$stop; panic=-1; . $T/premount; echo on"
assert_equal "rd.break=kdump with panic=" "$aside
hydroot: rd.break: a shell at kdump; leaving it goes on
hydroot: no shell: panic=-1 keeps it away
on" "$(cat "$T/out")"
run "$T/none" "BOOT=local; . $T/premount"
assert_equal "claimed without a crash" "BOOT=hydroot hydroot_begun=1" "$(xargs <"$T/conf/param.conf")"
run "$crash" "rootmnt=/nowhere; run_scripts() { echo \"\$1\"; }; . $T/hydroot; mountroot && mount_bottom && echo on"
assert_equal "boot=hydroot" "$aside
/scripts/hydroot-bottom
on" "$(cat "$T/out")"

# mkinitcpio: the run hook leaves root= and mount_handler as they are, the unit ends well.
moved mkinitcpio/boot-mkinitcpio.sh
moved mkinitcpio/hooks/hydroot
run "$crash" "root=x; . $T/hydroot; run_hook; echo \"\$root \${mount_handler:-none}\"; run_latehook"
assert_equal "run hook" "$aside
x none" "$(cat "$T/out")"
run "$crash" "(set -- mount $T/nowhere; . $T/boot-mkinitcpio.sh); echo \$?"
assert_equal "unit" "$aside
0" "$(cat "$T/out")"

# dracut: nothing waits for the root, and nothing ends because nobody knows it.
for file in hydroot-lib parse-hydroot hydroot-settled hydroot-timeout; do moved "dracut/50hydroot/$file.sh"; done
dracut="getarg() { :; }; getargbool() { false; }; systemctl() { echo systemctl \$1; }; hookdir=$T/dracut"
run "$crash" "$dracut; . $T/parse-hydroot.sh; . $T/hydroot-settled.sh; . $T/hydroot-timeout.sh
	echo \"\$root \$rootok \${netroot:-none}\""
assert_equal "dracut" "$aside
hydroot 1 none" "$(cat "$T/out")"
refute "dracut waits for hydroot" test -e "$T/dracut/initqueue/finished/hydroot.sh"
run "$crash" "$dracut; root=theirs rootok=1 DRACUT_SYSTEMD=1; . $T/parse-hydroot.sh; echo \"\$root\""
assert_equal "dracut with systemd, another module's root" "$aside
systemctl daemon-reload
theirs" "$(cat "$T/out")"
assert_contains "systemd does not mount root=" '^ConditionPathExists=!/proc/vmcore$' \
	"$T/run/systemd/system/sysroot.mount.d/hydroot.conf"

# The stand-alone init.
moved standalone/init
run "$crash" ". $T/init"
assert_equal "init" "$aside
reboot -f" "$(grep -v start: "$T/out")"
