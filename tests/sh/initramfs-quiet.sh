#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# With `quiet` no initramfs system says the steps of a boot on the console, from the first on; without it all do
. "$(dirname "$0")/../lib.sh"
requires busybox

mkdir -p "$T/bin" "$T/lib" "$T/conf" "$T/dracut/initqueue/finished" "$T/run"
printf '#!/bin/sh\necho "hydroot_is_root=1"\n' >"$T/bin/hydrootd"
chmod 755 "$T/bin/hydrootd"
cp initramfs/*.sh "$T/lib"
echo 'hr_modules() { exit; }' >>"$T/lib/boot.sh" # nothing is to go on from there
export hr_lib=$T/lib hr_console=/dev/stdout hr_hook_dirs=$T/none hr_cmdline=$T/cmdline
export hr_vmcore=$T/none hr_aside=$T/run/aside PATH=$T/bin:$PATH

moved() # FILE NAME: with its places moved
{
	sed "s|/lib/dracut-lib.sh|/dev/null|; s|/usr/lib/hydroot/boot.sh|$hr_lib/boot.sh|
		s|/usr/lib/hydroot/mkinitcpio.sh|$T/boot-mkinitcpio|; s|/lib/hydroot/boot.sh|$hr_lib/boot.sh|
		s|^\. /scripts/functions|:|; s|^\. /scripts/hydroot|. $T/adapter|
		s|/usr/lib/hydroot/dracut.sh|$T/dracut-lib|; s|/conf/param.conf|$T/conf/param.conf|
		s|/run/|$T/run/|g; s|^PATH=.*||; s|^\texec .*||; s|=/sysroot|=$T/sysroot|" "initramfs/$1" >"$T/$2"
}
moved initramfs-tools/scripts/init-premount/hydroot premount
moved initramfs-tools/scripts/hydroot adapter
moved mkinitcpio/boot-mkinitcpio.sh boot-mkinitcpio
moved mkinitcpio/hooks/hydroot hook
moved dracut/50hydroot/hydroot-lib.sh dracut-lib
moved dracut/50hydroot/parse-hydroot.sh dracut-parse
moved standalone/init init

steps() # SNIPPET: what is said until the modules are loaded
{
	busybox sh -c "mount() { :; }; systemctl() { :; }; hr_end() { exit; }; $1" </dev/null 2>&1 |
		sed -n 's/^\[.*\] hydroot: \(start\).*/\1/p'
}
check() # WANTED QUIET
{
	assert_equal "initramfs-tools" "$1" "$(steps "quiet=$2; . $T/premount")"
	assert_equal "mkinitcpio's unit" "$1" "$(steps "set -- mount $T/nowhere; . $T/boot-mkinitcpio")"
	assert_equal "mkinitcpio's hook" "$1" "$(steps ". $T/hook; run_hook; \$mount_handler $T/nowhere")"
	rm -rf "$T/run/hydroot"
	assert_equal "dracut" "$1" "$(steps "getarg() { :; }; getargbool() { [ $2 = y ]; }; hookdir=$T/dracut
		. $T/dracut-parse")"
	assert_equal "stand-alone" "$1" "$(steps ". $T/init")"
}
echo 'root=hydroot:http://h/i ro' >"$T/cmdline"
check start n
echo 'root=hydroot:http://h/i ro quiet' >"$T/cmdline"
check '' y
echo 'quietly root=hydroot:http://h/i' >"$T/cmdline"
check start n
