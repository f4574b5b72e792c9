# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# build.sh - what goes into an initramfs, for the adapters of the distributions' builders
#
# Sourced on the build host by initramfs-tools, dracut and mkinitcpio, each with its own functions
# to copy files: here are only the lists.  POSIX sh; functions start with hb_ and print one thing
# a line.  hb_share is the folder of hydroot's own files.

hb_share=${HYDROOT_SHARE:-@DATADIR@/hydroot}
hb_conf=${HYDROOT_CONF:-/etc/hydroot}

# shellcheck source=kmod-hints/lists.sh
. "$hb_share/lists.sh"

# Commands that the scripts call, and those that are taken where the machine has them: what for, says
# README.md.  tests/sh/initramfs-commands.sh knows whether one is missing.
# shellcheck disable=SC2034 # read by the adapters
hb_commands="cat chmod cp date dd df find grep ip ln mkdir modprobe mount od poweroff readlink reboot rm rmdir
sed setsid sleep sort sync timeout tr umount uname wc"
# shellcheck disable=SC2034
hb_wanted_commands="cttyhack getent mke2fs nslookup"
# For net.sh, by busybox.
# shellcheck disable=SC2034
hb_network_commands="hostname mv udhcpc"

# The first of the files that exists.
hb_first()
{
	for hb_file in "$@"; do
		if [ -f "$hb_file" ]; then
			echo "$hb_file"
			return
		fi
	done
	return 1
}

# A program of hydroot by its name, beside hydroot's files or in PATH.
hb_program()
{
	hb_first "$hb_share/../../sbin/$1" "$hb_share/../../bin/$1" ||
		command -v "$1" || { echo "hydroot: $1: not installed" >&2; return 1; }
}

# SRC DST: programs, to be copied with their libraries.
hb_programs()
{
	echo "$(hb_program hydrootd) /usr/sbin/hydrootd"
	echo "$(hb_program hydroot) /usr/bin/hydroot"
}

# glibc loads it when a thread ends; nothing names it before.
hb_libgcc()
{
	hb_libc=$(ldd "$(hb_program hydrootd)" | sed -n 's/.*=> \(.*\/\)libc\.so.*/\1/p')
	hb_first "${hb_libc:-/usr/lib/}libgcc_s.so.1" "/usr${hb_libc}libgcc_s.so.1" \
		/usr/lib64/libgcc_s.so.1 /usr/lib/libgcc_s.so.1
}

# SRC DST: scripts and rules; all but this one.
hb_scripts()
{
	for hb_file in "$hb_share"/initramfs/*.sh "$hb_share/initramfs/60-hydroot.rules"; do
		[ "${hb_file##*/}" = build.sh ] || echo "$hb_file /usr/lib/hydroot/${hb_file##*/}"
	done
}

# SRC DST: what net.sh is, for initramfs systems without a network of their own.
hb_network_scripts()
{
	for hb_file in links.sh address.sh net.sh dhcp.sh; do
		echo "$hb_share/initramfs/standalone/$hb_file /usr/lib/hydroot/$hb_file"
	done
}

# hydroot.conf as variables, for eval.
hb_print_config()
{
	[ ! -f "$hb_conf/hydroot.conf" ] ||
		"$(hb_program hydrootd)" --print-config --cmdline=/dev/null --conf="$hb_conf/hydroot.conf"
}

# What is a secret whatever its mode is: passwords and the key of a certificate.
hb_secret_files()
{
	hb_text=$(hb_print_config 2>/dev/null)
	(
		eval "$hb_text"
		for hb_file in "${hydroot_cert_key:-}" "${hydroot_credentials:-}"; do
			[ ! -f "$hb_file" ] || echo "$hb_file"
		done
	)
}

# The files that a configuration names: certificates, keys, credentials.
hb_named_files()
{
	hb_text=$(hb_print_config) || return
	(
		eval "$hb_text"
		for hb_file in "${hydroot_public_key:-}" "${hydroot_ca:-}" "${hydroot_cert:-}" \
			"${hydroot_cert_key:-}" "${hydroot_credentials:-}"; do
			[ -n "$hb_file" ] || continue
			if [ -f "$hb_file" ]; then
				echo "$hb_file"
			else
				echo "hydroot: $hb_conf/hydroot.conf: names $hb_file, which is not there" >&2
			fi
		done
	)
}

# The configuration: all of /etc/hydroot, what it names, and the CA bundle.
hb_configuration()
{
	{
		if [ -d "$hb_conf" ]; then
			find -L "$hb_conf" -type f
		fi
		hb_named_files
		hb_first /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
			/etc/ssl/ca-bundle.pem /etc/ssl/cert.pem ||
			echo "hydroot: no CA bundle: https needs ca= or a signed image over http" >&2
	} | sort -u
}

# Paths of what the hooks in transport.d call, to be copied with their libraries: a hook's list is a
# script beside it, NAME.files.
hb_transport_files()
{
	for hb_file in "$hb_conf"/transport.d/*.files; do
		[ ! -f "$hb_file" ] || sh "$hb_file"
	done
}

# SRC DST: what the rescue system has besides where somebody may come in, by the keys in authorized_keys.
hb_rescue_programs()
{
	[ -f "$hb_conf/authorized_keys" ] || return 0
	hb_file=$(command -v dropbear) || hb_file=$(hb_first /usr/sbin/dropbear) || {
		echo "hydroot: $hb_conf/authorized_keys: nobody answers: install dropbear-bin" >&2
		return 0
	}
	echo "$hb_file /usr/sbin/dropbear"
	! hb_file=$(command -v busybox) || echo "$hb_file /usr/bin/busybox"
}

# SRC DST: the busybox whose DHCP client renews the lease in the root, for an initramfs system that has none with
# udhcpc by itself.
hb_lease_programs()
{
	if hb_file=$(command -v busybox) && "$hb_file" --list 2>/dev/null | grep -qx udhcpc; then
		echo "$hb_file /usr/lib/hydroot/bin/busybox"
	else
		echo "hydroot: no busybox with udhcpc: leases are renewed by a root with systemd-networkd only" >&2
	fi
}

# Is there something in it that not everybody may read?  Then the initramfs must be so too.  Of those that
# list configurations only that of initramfs-tools has to ask: dracut's and mkinitcpio's images always are.
hb_has_secrets()
{
	{
		hb_configuration 2>/dev/null | while read -r hb_file; do
			find -L "$hb_file" ! -perm -o=r
		done
		hb_secret_files
	} | grep . >/dev/null
}

# What modules.list says, by its own reader; class:net stands for all drivers of network cards.
hb_modules()
{
	hints_names "$hb_share/modules.list"
	! hb_names_nfs || hints_names "$hb_share/modules.list" nfs
}

# Does hydroot.conf name an image at nfs://?
hb_names_nfs()
{
	hb_text=$(hb_print_config 2>/dev/null)
	(
		eval "$hb_text"
		case " ${hydroot_servers:-} ${hydroot_fallback:-}" in
		*' nfs://'*) ;;
		*) exit 1 ;;
		esac
	)
}

hb_modules_to_load()
{
	hints_names "$hb_share/modules.list" load
}

# hb_net_drivers MODULES_DIR: what class:net stands for, for a builder without a way of its own
hb_net_drivers()
{
	hints_net_drivers "$1"
}

# For modprobe.d.
hb_module_options()
{
	hints_options "$hb_share/modules.list"
}

hb_build_time()
{
	echo "${SOURCE_DATE_EPOCH:-$(date +%s)}"
}
