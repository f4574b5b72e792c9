#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# mkinitcpio's part at boot: modules are loaded by kmod, whatever busybox has.  Called as its init calls it, the run hook keeps
# init from waiting for a device and from checking it, and says what to start, though init looks for that from outside,
# where a link of the root that begins with / leads elsewhere
. "$(dirname "$0")/../lib.sh"
requires busybox

mkdir -p "$T/bin" "$T/new_root"/{dev,proc,sys,run}
# shellcheck disable=SC2016 # for the stub
printf '#!/bin/sh\necho "hydroot_is_root=${ours-1}"\n' >"$T/bin/hydrootd"
chmod 755 "$T/bin/hydrootd"
export hr_lib=$TOP/initramfs hr_console=/dev/stderr hr_hook_dirs=$T/none hr_vmcore=$T/none PATH=$T/bin:$PATH
for file in boot-mkinitcpio.sh hooks/hydroot; do
	sed "s|/usr/lib/hydroot/boot.sh|$hr_lib/boot.sh|; s|/usr/lib/hydroot/mkinitcpio.sh|$T/boot-mkinitcpio.sh|
		s|/new_root|$T/new_root|; s|/usr/bin/modprobe|$T/kmod|; s|^PATH=.*||" "initramfs/mkinitcpio/$file" >"$T/$(basename "$file")"
done

# What init does, in its order, with the steps of a boot that need a machine left out.
started() # INIT-BY-DEFAULT: what is switched to, or why not
{
	busybox sh -c '
		init=$1 root=hydroot:http://h/i mount_handler=default
		default() { echo "mounts $root"; exit; }
		fsck_root() { echo "checks $root"; }
		. "$2/hydroot"
		run_hook
		hr_begin() { :; }; hr_modules() { :; }; udevadm() { :; }; hr_network() { :; }; hr_leave() { :; }
		hr_boot() { hr_check_root "$1" || echo "$hr_error"; }
		fsck_root
		"$mount_handler" "$2/new_root"
		run_latehook
		if [ -x "$2/new_root$init" ]; then echo "$root:$init"; else echo "$init does not exist"; fi
	' sh "$1" "$T" 2>"$T/err"
}
program() # PATH in the root
{
	mkdir -p "$(dirname "$T/new_root$1")"
	printf '#!/bin/sh\n' >"$T/new_root$1"
	chmod 755 "$T/new_root$1"
}

program /usr/lib/systemd/systemd
assert_equal "a root without /sbin/init" :/usr/lib/systemd/systemd "$(started /sbin/init)"
mkdir -p "$T/new_root/sbin" "$T/new_root/bin"
ln -s usr/lib "$T/new_root/lib"
ln -s ../lib/systemd/systemd "$T/new_root/sbin/init"
assert_equal "a link that leads to the same from everywhere" :/sbin/init "$(started /sbin/init)"
mkdir "$T/new_root/lib/elsewhere"
program /usr/lib/elsewhere/hydroot-test-init
ln -sf /lib/elsewhere/hydroot-test-init "$T/new_root/sbin/init"
assert_equal "a link from / on" :/usr/lib/elsewhere/hydroot-test-init "$(started /sbin/init)"

# A busybox whose shell prefers its own commands, like Debian's, would not find the program in PATH.
printf '#!/bin/sh\necho "kmod $*"\n' >"$T/kmod"
chmod 755 "$T/kmod"
printf '%s\n' fuse zram >"$T/modules"
cp initramfs/*.sh "$T/"
assert_equal "what loads modules" "kmod -q fuse
kmod -q zram" "$(hr_lib=$T busybox sh -c ". $T/boot-mkinitcpio.sh; hr_modules" 2>&1)"

# What the unit of the systemd kind runs: nobody has made the folder that it mounts at.
cat >"$T/unit.sh" <<'END'
hr_heed_quiet() { :; }
hr_config() { :; }
hr_begin() { :; }
hr_modules() { :; }
hr_network() { :; }
hr_leave() { :; }
udevadm() { :; }
hr_boot() { [ -d "$1" ] && echo "a folder to mount at"; }
END
sed "s|/usr/lib/hydroot/boot.sh|$T/unit.sh|" initramfs/mkinitcpio/boot-mkinitcpio.sh >"$T/unit-mkinitcpio.sh"
assert_equal "sysroot" "a folder to mount at" "$(busybox sh "$T/unit-mkinitcpio.sh" mount "$T/sysroot")"

ours=0
export ours
assert_equal "another root: checked and mounted by init" "checks hydroot:http://h/i
mounts hydroot:http://h/i" "$(started /sbin/init)"
