#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # moddir, initdir, srcmods are dracut's
#
# module-setup.sh - dracut module for root=hydroot:URL, in shell and systemd initrds

# shellcheck source=initramfs/build.sh
. "${HYDROOT_SHARE:-@DATADIR@/hydroot}/initramfs/build.sh"

# Only when asked for, as dracut.conf.d/50-hydroot.conf does.
check()
{
	hb_program hydrootd >/dev/null 2>&1 || return 1
	return 255
}

# The initqueue is a module of its own since dracut 108.
depends()
{
	local dir
	echo base network
	for dir in "${dracutbasedir:-/usr/lib/dracut}"/modules.d/*initqueue; do
		[ ! -d "$dir" ] || echo initqueue
	done
}

# A netbooted image meets other hardware than the machine that builds the initramfs: no hostonly.
installkernel()
{
	local name
	for name in $(hb_modules); do
		# shellcheck disable=SC2046 # a list of words
		case $name in
		class:net) hostonly='' instmods $(hb_net_drivers "${srcmods:?}") ;;
		*) hostonly='' instmods "$name" ;;
		esac
	done
}

# hydrootd and hydroot have their fixed places, whatever PREFIX they were installed with.
install_programs()
{
	local src dst
	while read -r src dst; do
		inst_binary "$src" "$dst"
	done < <(hb_programs; hb_rescue_programs; hb_lease_programs)
	while read -r src; do
		inst_binary "$src"
	done < <(hb_transport_files)
	src=$(hb_libgcc) && inst_library "$src"
	# Until glibc 2.34 the resolver's parts are loaded by name.
	inst_libdir_file 'libnss_dns.so*' 'libnss_files.so*' || :
	# shellcheck disable=SC2086 # a list of words
	inst_multiple $hb_commands
	# shellcheck disable=SC2086
	inst_multiple -o $hb_wanted_commands
}

install_files()
{
	local src dst path
	while read -r src dst; do
		inst_simple "$src" "$dst"
	done < <(hb_scripts)
	while read -r path; do
		inst_simple "$path"
	done < <(hb_configuration)
	inst_simple "$moddir/hydroot-lib.sh" /usr/lib/hydroot/dracut.sh
	hb_modules_to_load >"$initdir/usr/lib/hydroot/modules"
	hb_build_time >"$initdir/usr/lib/hydroot/build-time"
	mkdir -p "$initdir/etc/modprobe.d" "$initdir/usr/lib/udev/rules.d"
	hb_module_options >"$initdir/etc/modprobe.d/hydroot.conf"
	inst_simple "$hb_share/initramfs/60-hydroot.rules" /usr/lib/udev/rules.d/60-hydroot.rules
	[ -e "$initdir/etc/nsswitch.conf" ] ||
		echo 'hosts: files dns' >"$initdir/etc/nsswitch.conf"
}

install()
{
	install_programs
	install_files
	inst_hook cmdline 90 "$moddir/parse-hydroot.sh"
	inst_hook initqueue/settled 90 "$moddir/hydroot-settled.sh"
	inst_hook initqueue/timeout 90 "$moddir/hydroot-timeout.sh"
	inst_hook pre-pivot 50 "$moddir/hydroot-pivot.sh"
	inst_script "$moddir/hydrootroot.sh" /sbin/hydrootroot
	dracut_need_initqueue
}
