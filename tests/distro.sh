#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# distro.sh - makes an initramfs with a distribution's own builder, for the boot tests
#
#	tests/distro.sh SUITE BUILDER [VARIANT]
#
# SUITE: bookworm, trixie; BUILDER: initramfs-tools, dracut, mkinitcpio.  VARIANT of dracut: systemd (default), shell,
# network-manager (dracut takes that by itself where it is installed; other variants are without); of mkinitcpio: busybox
# (default), systemd, see tests/mkinitcpio.sh; of the first two, where SUITE is the machine's own: ssh, with the machine's
# dropbear and busybox and a key, which is left beside the initramfs; nfs, with a hydroot.conf that names the image at
# nfs://10.0.2.2/images/debian.hri; standard, for the kernel of tests/kernel.sh.
# A tree of the distribution is made once; in a copy of it hydroot is installed by `make install-strip` and
# the builder's own command is run, once with and once without hydroot.  Left in
# build/images/SUITE-BUILDER[-VARIANT]/: initrd.img, sizes (what hydroot adds; not of ssh, nfs and standard).
#
# The programs have to be linked with the libraries of their initramfs: for another Debian than the machine's
# own they are built in a tree of it, too, into build/SUITE/.  The kernel must be that of the suite's
# base image.

# What is mounted goes with the process, however that ends.
[ -n "${HYDROOT_OWN_MOUNTS-}" ] || [ "$(id -u)" != 0 ] || HYDROOT_OWN_MOUNTS=1 exec unshare --mount "$0" "$@"

set -euo pipefail
cd "$(dirname "$0")/.."
: "${BUILD:=build}" "${IMAGES:=build/images}"
suite=$1 builder=$2 variant=${3-}
. tests/image/base.sh
. tests/mkinitcpio.sh

say() { echo "distro: $*" >&2; }
die() { say "$*"; exit 1; }
key_of() { cat -- "$@" | sha256sum | cut -c1-16; }

name=$suite-$builder${variant:+-$variant}
base=$IMAGES/base
[ "$suite" = bookworm ] || base=$IMAGES/$suite-base
kernel=$base
# Nobody asks what hydroot adds to these.
no_sizes=''
case $variant in ssh | nfs | standard) no_sizes=yes ;; esac
own_suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
programs=(hydrootd hydroot hydroot-image hydroot-check)

# The packages that have the libraries of the programs, by the names they have in this suite.
library_packages()
{
	in_build_tree sh -c 'cd "$0" && ldd "$@" | sed -n "s|.*=> [^ ]*/\([^/ ]*\) (.*|*/\1|p" | sort -u |
		xargs dpkg-query -S | sed "s/:.*//" | sort -u' "$built" "${programs[@]}"
}

builder_packages()
{
	library_packages
	printf '%s\n' ca-certificates kmod zstd udev linux-image-cloud-amd64
	case $builder in
	initramfs-tools) printf '%s\n' initramfs-tools busybox ;;
	dracut) printf '%s\n' dracut dracut-network systemd-sysv dbus iputils-arping iproute2 busybox ;;
	mkinitcpio) mkinitcpio_packages ;;
	esac
	[ "$variant" != network-manager ] || echo network-manager
	# What dracut's network-legacy asks by; newer dracut has systemd-networkd only.
	[ "$suite-$builder" != bookworm-dracut ] || printf '%s\n' procps isc-dhcp-client
}

make_tree() # from $packages
{
	local options=() line
	[ "$(id -u)" = 0 ] || die "needs root, for mmdebstrap"
	apt_sources >"$work/sources" || { apt-get -q update >&2 && apt_sources >"$work/sources"; } ||
		die "apt knows no $suite archive: put one into /etc/apt/sources.list"
	while read -r line; do
		options+=("--aptopt=$line")
	done < <(apt_options)
	say "installing $suite with $(sed -n '$p' "$packages") and more"
	mmdebstrap --quiet --mode=root --variant=minbase \
		--include="$(xargs <"$packages" | tr ' ' ,)" "${options[@]}" \
		--aptopt='Acquire::Languages "none"' "$suite" "$work/root" "$work/sources" \
		>"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; die "mmdebstrap failed"; }
}

# Runs a command where programs for this suite are built: on this machine or in a tree of the suite, in a
# mount namespace of its own, with the source at /src, what is built at /out and a tree to install into at /to.
in_build_tree() # COMMAND...
{
	if [ "$suite" = "$own_suite" ]; then
		"$@"
		return
	fi
	mkdir -p "build/$suite" "$tree_build"/root/{src,out,to}
	unshare --mount sh -ec '
		tree=$1 to=$2
		shift 2
		mount --bind . "$tree/src"
		mount -o remount,bind,ro "$tree/src"
		mount --bind "build/$0" "$tree/out"
		[ -z "$to" ] || mount --bind "$to" "$tree/to"
		mount -t proc proc "$tree/proc"
		mount --rbind /dev "$tree/dev"
		exec chroot "$tree" "$@"' "$suite" "$tree_build/root" "${root-}" "$@"
}

build_programs()
{
	built=$BUILD out=$BUILD
	[ "$suite" != "$own_suite" ] || return 0
	built=/out out=build/$suite
	packages=$IMAGES/packages-$suite-build
	{ tests/setup.sh --list build; echo make; } >"$packages"
	kept "$suite-tree-build" make_tree "$packages"
	say "building hydroot in $suite"
	in_build_tree make -s -j"$(nproc)" -C /src BUILD=/out WERROR=1 "${programs[@]/#//out/}" >&2
}

install_hydroot()
{
	local source=. to=$root
	[ "$suite" = "$own_suite" ] || source=/src to=/to
	in_build_tree env -u MAKEFLAGS make -s -C "$source" BUILD="$built" PREFIX=/usr DESTDIR="$to" \
		install-strip "install-$builder" >&2
}

# Hooks of an admin: the control tool is kept for the agent.
add_test_hook()
{
	local dir
	case $builder in
	initramfs-tools)
		dir=$root/etc/initramfs-tools/scripts/hydroot-bottom
		mkdir -p "$dir"
		{
			echo '#!/bin/sh'
			echo "[ \"\${1-}\" != prereqs ] || exit 0"
			echo stage=pre-switch
			cat tests/boot/tools.hook
		} >"$dir/tools"
		chmod 755 "$dir/tools"
		;;
	dracut)
		mkdir -p "$root/etc/dracut.conf.d"
		install -D -m 644 tests/boot/tools.hook "$root/usr/local/lib/tools.hook"
		echo "install_items+=\" /usr/local/lib/tools.hook /usr/bin/find \"" \
			>"$root/etc/dracut.conf.d/tools.conf"
		;;
	mkinitcpio) install -D -m 644 tests/boot/tools.hook "$root/etc/hydroot/hooks.d/tools" ;;
	esac
}

# For the rescue system.
add_ssh()
{
	local dropbear
	[ "$suite" = "$own_suite" ] || die "ssh: the machine's dropbear is not one of $suite"
	dropbear=$(command -v dropbear) || die "ssh: dropbear is not installed; see tests/setup.sh"
	cp "$dropbear" "$root/usr/sbin/"
	ldd "$dropbear" | grep -o '/[^ ]*' | xargs -I '{}' cp -n '{}' "$root/usr/lib/x86_64-linux-gnu/"
	[ -e "$root/usr/bin/busybox" ] || cp "$(command -v busybox)" "$root/usr/bin/"
	ssh-keygen -q -t ed25519 -N '' -f "$work/key"
	install -D -m 644 "$work/key.pub" "$root/etc/hydroot/authorized_keys"
}

add_nfs_url()
{
	mkdir -p "$root/etc/hydroot"
	echo url=nfs://10.0.2.2/images/debian.hri >"$root/etc/hydroot/hydroot.conf"
}

# Another kernel than the base image's.
add_kernel()
{
	local version
	version=$(cat "$kernel/kernel")
	cp -a "$kernel/tree/lib/modules/$version" "$root/lib/modules/"
	cp "$kernel/config" "$root/boot/config-$version"
	cp "$kernel/vmlinuz" "$root/boot/vmlinuz-$version"
}

# In the tree, as root there: the builder's own command.
build_initramfs() # OUTPUT [OPTION...]
{
	local output=$1 version
	shift
	version=$(cat "$kernel/kernel")
	[ -d "$root/lib/modules/$version" ] ||
		die "$suite has another kernel than $version: remove build/images/ and begin anew"
	mount --bind /proc "$root/proc"
	mount --bind /dev "$root/dev"
	case $builder in
	initramfs-tools)
		chroot "$root" update-initramfs -u -k "$version" >"$work/build.log" 2>&1
		;;
	dracut)
		chroot "$root" dracut --force --no-hostonly "$@" "/boot/initrd.img-$version" \
			"$version" >"$work/build.log" 2>&1
		;;
	mkinitcpio)
		run_mkinitcpio "$root" "$version" "$variant" "$@" >"$work/build.log" 2>&1
		;;
	esac || { tail -n 30 "$work/build.log" >&2; die "$builder failed"; }
	umount "$root/proc" "$root/dev"
	cp "$root/boot/initrd.img-$version" "$output"
}

make_initramfs()
{
	local options=()
	[ "$variant" != shell ] ||
		options=(--omit "systemd systemd-initrd systemd-networkd dracut-systemd" --add network-legacy)
	root=$work/root
	say "building an initramfs: $name"
	cp -a "$tree/root" "$root"
	[ "$kernel" = "$base" ] || add_kernel
	[ "$builder" != mkinitcpio ] || install_mkinitcpio "$root"
	[ -n "$no_sizes" ] || build_initramfs "$work/initrd.without" "${options[@]}"
	install_hydroot
	add_test_hook
	case $variant in
	ssh) add_ssh ;;
	nfs) add_nfs_url ;;
	esac
	case $builder in
	dracut) options+=(--include /usr/local/lib/tools.hook /lib/hydroot/hooks/tools) ;;
	mkinitcpio) options=(hydroot) ;;
	esac
	build_initramfs "$work/initrd.img" "${options[@]}"
	[ -n "$no_sizes" ] ||
		tests/initrd-sizes.sh "$name" "$work/initrd.img" "$work/initrd.without" >"$work/sizes"
	rm -rf --one-file-system "$root" "$work/initrd.without"
	root=
}

tidy()
{
	[ -z "${root-}" ] || umount "$root/proc" "$root/dev" 2>/dev/null || true
	rm -rf --one-file-system "${work:-$IMAGES/nothing}"
}

once() # FOLDER FUNCTION
{
	[ ! -e "$1/done" ] || return 0
	work=$PWD/$1.new
	rm -rf --one-file-system "$work" "$1"
	mkdir -p "$work"
	"$2"
	touch "$work/done"
	mv "$work" "$1"
}

kept() # LINK FUNCTION FILE...
{
	local link=$1 function=$2 folder other
	shift 2
	folder=$IMAGES/$link-$(key_of "$@")
	once "$folder" "$function"
	for other in "$IMAGES/$link"-????????????????; do
		[ "$other" = "$folder" ] || rm -rf --one-file-system "$other"
	done
	ln -sfn "$(basename "$folder")" "$IMAGES/$link"
}

mkdir -p "$IMAGES"
if [ "$variant" = standard ]; then
	tests/kernel.sh
	kernel=$IMAGES/kernel-standard
fi
exec 9>"$IMAGES/lock-distro"
flock 9
trap tidy EXIT
tree_build=$IMAGES/$suite-tree-build
build_programs
of_tree=$builder
[ "$variant" != network-manager ] || of_tree=$builder-$variant
packages=$IMAGES/packages-$suite-$of_tree
builder_packages >"$packages"
tree=$IMAGES/$suite-tree-$of_tree
kept "$suite-tree-$of_tree" make_tree "$packages" "$base/kernel"
mapfile -t parts < <(find initramfs kmod-hints -type f | sort)
if [ "$builder" = mkinitcpio ]; then
	[ -e "${MKINITCPIO-}/mkinitcpio" ] || die "MKINITCPIO=DIR: no mkinitcpio there"
	mapfile -t -O "${#parts[@]}" parts < <(mkinitcpio_parts)
fi
kept "$name" make_initramfs "$kernel/kernel" "$tree/root/etc/os-release" "$out/hydrootd" "$out/hydroot" \
	tests/boot/tools.hook tests/distro.sh tests/initrd-sizes.sh "${parts[@]}"
[ -n "$no_sizes" ] || cat "$IMAGES/$name/sizes"
