#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# image.sh - makes the Debian image that the boot tests and the demo boot
#
#	tests/image.sh base	the filesystem and its kernel      (once, about a minute, as root)
#	tests/image.sh all	also hydroot images of it, and initramfs to boot them
#	tests/image.sh squashfs|erofs|xfs|btrfs	also the same tree with that filesystem
#	tests/image.sh trixie-FILESYSTEM|bookworm-FILESYSTEM	a root of Debian 13 or 12 with that filesystem, ext4 too
#	tests/image.sh demo	also an initramfs that copies first, to compare with
#	tests/image.sh newer	also a newer kernel, with an initramfs of its own
#	tests/image.sh services	also a root with what manages networks, splash screens and kexec
#	tests/image.sh trixie-services	such a root of Debian 13
#
# All is kept under build/images/, in folders named by a hash of what went in and links to the
# present ones, so things are made again only when that changes:
#
# base/    rootfs.ext4 (2 GiB, sparse), vmlinuz, initrd.debian, kernel (its version),
#          tree/lib/modules, manifest (SHA-256 of each file of the image), attributes
#          (owners, capabilities, labels: see tests/image/attributes.sh)
# trixie-base/ the same of Debian 13
# served/  good/debian.hri, flipped/debian.hri (one bit of one data chunk is wrong),
#          flipped.chunk (its number), chunks (see tests/chunks.sh), bytes (size of the image)
# boot/    initramfs.img, initramfs-netkill.img
# squashfs/, erofs/, xfs/, btrfs/, trixie-FILESYSTEM/ debian.hri
# trixie-standalone/ vmlinuz, initramfs.img: the stand-alone initramfs with Debian 13's kernel
# services/, trixie-services/ debian.hri: Debian 12 or 13 with NetworkManager, ifupdown, plymouth and kexec
# copyfirst/ initramfs.img: the same boot, by copying the whole image first; for comparison
# kernel-newer/ vmlinuz, kernel, tree/lib/modules of Linux 6.12, which Debian 12 has beside its own 6.1
# newer/   vmlinuz, initramfs.img: the same image booted with it (its modules are not in the image)
#
# The image has nothing that configures the network: what the initramfs set up stays as it is.
# Packages come from the machine's own apt sources.

# What is mounted goes with the process, however that ends.
[ -n "${HYDROOT_OWN_MOUNTS-}" ] || [ "$(id -u)" != 0 ] || HYDROOT_OWN_MOUNTS=1 exec unshare --mount "$0" "$@"

set -euo pipefail
cd "$(dirname "$0")/.."
: "${BUILD:=build}" "${IMAGES:=build/images}"
. tests/image/base.sh

say() { echo "image: $*" >&2; }
die() { say "$*"; exit 1; }

key_of() { cat -- "$@" | sha256sum | cut -c1-16; }

make_image()
{
	mkdir -p "$work/good" "$work/flipped"
	say "making the hydroot image"
	"$BUILD/hydroot-image" build "$base/rootfs.ext4" "$work/good/debian.hri"
	tests/flip.sh "$work/good/debian.hri" "$work/flipped/debian.hri" >"$work/flipped.chunk"
	tests/chunks.sh "$work/good/debian.hri" >"$work/chunks"
	stat -c %s "$work/good/debian.hri" >"$work/bytes"
}

make_boot()
{
	say "making the initramfs"
	make_initramfs "$work/initramfs.img"
	make_initramfs "$work/initramfs-netkill.img" --hook=tests/boot/netkill.hook \
		--compress=gzip
}

# The tree of the image, mounted where the function's other arguments find it: FUNCTION TREE
with_tree()
{
	local status=0
	mkdir "$work/tree"
	mount -o ro,loop,noload "$base/rootfs.ext4" "$work/tree"
	"$1" "$work/tree" || status=$?
	umount "$work/tree"
	rmdir "$work/tree"
	return $status
}

squashfs_of() { mksquashfs "$1" "$work/fs" -comp zstd -Xcompression-level 3 -quiet -no-progress >&2; }

# Not compressed, as hydroot-image makes it: the chunks are, and for each of its own an erofs of Linux 6.1 flushes the
# page tables of all CPUs, which takes an emulator minutes.
erofs_of() { mkfs.erofs "$work/fs" "$1" >"$work/mkfs.log"; }

xfs_of()
{
	truncate -s 2G "$work/fs"
	mkfs.xfs -q -s size=4096 "$work/fs"
	copy_into_fs "$1"
}

btrfs_of()
{
	truncate -s 2G "$work/fs"
	mkfs.btrfs -q --sectorsize 4096 "$work/fs"
	copy_into_fs "$1"
}

copy_into_fs() # TREE
{
	mkdir "$work/new"
	mount -o loop "$work/fs" "$work/new"
	cp -a "$1/." "$work/new/"
	umount "$work/new"
	rmdir "$work/new"
}

make_filesystem() # KIND
{
	say "making a $1 of the tree"
	with_tree "${1}_of"
	"$BUILD/hydroot-image" build "$work/fs" "$work/debian.hri"
	rm "$work/fs"
}

make_squashfs() { make_filesystem squashfs; }
make_erofs() { make_filesystem erofs; }
make_xfs() { make_filesystem xfs; }
make_btrfs() { make_filesystem btrfs; }
make_ext4() { "$BUILD/hydroot-image" build "$base/rootfs.ext4" "$work/debian.hri"; }

# The same Debian with more in it, and nothing of it enabled that the command line does not ask for.
make_services()
{
	say "making a root with network managers"
	more_packages=$(sed 's/#.*//' tests/slow/services.packages | xargs | tr ' ' ,) install_root "$work/root"
	settle_root "$work/root"
	rm -f "$work/root"/etc/network/interfaces.d/*
	echo 'source /etc/network/interfaces.d/*' >"$work/root/etc/network/interfaces"
	mke2fs -q -t ext4 -b 4096 -L hydroot-test -E lazy_itable_init=0,lazy_journal_init=0 \
		-d "$work/root" "$work/fs" "$size" >"$work/mke2fs.log"
	"$BUILD/hydroot-image" build "$work/fs" "$work/debian.hri"
	rm -rf "$work/fs" "$work/root" "$work/sources"
}

# The other way to boot from RAM: all of the image is copied into zram by curl, zstd and dd.
make_copyfirst()
{
	local program library options=()
	for program in curl zstd dd; do
		options+=("--add-file=$(command -v $program):/copyfirst/$program")
		while read -r library; do
			options+=("--add-file=$library:$library")
		done < <(ldd "$(command -v $program)" | grep -o '/[^ ]*')
	done
	say "making the initramfs of copy-first"
	make_initramfs "$work/part1" "${options[@]}"
	mkdir "$work/extra"
	install -m 755 tests/boot/copyfirst.init "$work/extra/init"
	(cd "$work/extra" && echo init | cpio --quiet -o -H newc) >"$work/part2"
	truncate -s %4 "$work/part1"
	cat "$work/part1" "$work/part2" >"$work/initramfs.img"
	rm -r "$work/part1" "$work/part2" "$work/extra"
}

# The package that the archive's name for the newest 6.12 stands for, unpacked, not installed.
make_newer_kernel()
{
	local package version
	package=$(apt-cache depends linux-image-6.12-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
	[ -n "$package" ] || die "apt knows no Linux 6.12: the suite bookworm-security has it"
	say "unpacking $package"
	(cd "$work" && apt-get -q download "$package" >download.log 2>&1) ||
		{ tail -n 5 "$work/download.log" >&2; die "cannot download $package"; }
	dpkg-deb -x "$work/$package"_*.deb "$work/unpacked"
	version=${package#linux-image-}
	echo "$version" >"$work/kernel"
	mv "$work/unpacked/boot/vmlinuz-$version" "$work/vmlinuz"
	mkdir -p "$work/tree/lib"
	if [ -d "$work/unpacked/usr/lib/modules" ]; then
		mv "$work/unpacked/usr/lib/modules" "$work/tree/lib/"
	else
		mv "$work/unpacked/lib/modules" "$work/tree/lib/"
	fi
	depmod -b "$work/tree" "$version"
	rm -rf "$work/unpacked" "$work/$package"_*.deb
}

# The stand-alone initramfs with another kernel than Debian 12's own.
make_kernel_boot()
{
	say "making the initramfs of Linux $(cat "$kernel_of/kernel")"
	make_initramfs "$work/initramfs.img"
	cp "$kernel_of/vmlinuz" "$work/vmlinuz"
}

make_initramfs() # OUTPUT [OPTION...]
{
	local output=$1
	shift
	sh initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$kernel_of/kernel")" \
		--root="$kernel_of/tree" --drivers=virtio --daemon="$BUILD/hydrootd" \
		--hook=tests/boot/tools.hook --output="$output" "$@" >&2
}

# Makes a folder whole or not at all, one maker at a time.
once() # FOLDER FUNCTION [ARGUMENT...]
{
	local folder=$1
	shift
	[ ! -e "$folder/done" ] || return 0
	work=$folder.new
	rm -rf "$work" "$folder"
	mkdir -p "$work"
	"$@"
	touch "$work/done"
	mv "$work" "$folder"
}

forget_old() # PREFIX KEEP
{
	local folder
	for folder in "$IMAGES/$1"-*; do
		[ "$folder" = "$2" ] || [ "${folder%.new}" != "$folder" ] || rm -rf "$folder"
	done
}

# kept NAME FUNCTION FILE...: build/images/NAME is a link to the folder that FUNCTION made of FILEs
kept()
{
	local name=$1 function=$2 folder
	shift 2
	folder=$IMAGES/$name-$(key_of "$@")
	once "$folder" "$function"
	forget_old "$name" "$folder"
	ln -sfn "$(basename "$folder")" "$IMAGES/$name"
}

mkdir -p "$IMAGES"
exec 9>"$IMAGES/lock"
flock 9
trap 'rm -rf "${work:-$IMAGES/nothing}"' EXIT

recipe=(tests/image/* build/tests/io)
boot_parts=(tests/boot/*.hook kmod-hints/modules.list kmod-hints/lists.sh initramfs/*.sh
	initramfs/standalone/* initramfs/*.rules)
what=${1-} prefix=''
case $what in
trixie-*)
	suite=trixie prefix=trixie- what=${what#trixie-}
	base=$IMAGES/trixie-base
	kept trixie-base make_base "${recipe[@]}"
	;;
*)
	what=${what#bookworm-}
	base=$IMAGES/base
	kept base make_base "${recipe[@]}"
	;;
esac
# shellcheck disable=SC2034 # read by the functions above
kernel_of=$base
case $prefix$what in
base | trixie-base) exit 0 ;;
all | demo | newer | services | ext4 | squashfs | erofs | xfs | btrfs)
	kept served make_image "$base/manifest" "$BUILD/hydroot-image" tests/flip.sh tests/chunks.sh
	kept boot make_boot "$base/manifest" "$BUILD/hydrootd" "$BUILD/hydroot" "${boot_parts[@]}"
	;;
trixie-standalone)
	kept trixie-standalone make_kernel_boot "$base/kernel" "$BUILD/hydrootd" "$BUILD/hydroot" "${boot_parts[@]}"
	exit 0
	;;
trixie-ext4 | trixie-squashfs | trixie-erofs | trixie-xfs | trixie-btrfs | trixie-services) ;;
*)
	say "usage: tests/image.sh base|all|demo|newer|services|[SUITE-]FILESYSTEM|trixie-standalone"
	exit 2
	;;
esac
case $prefix$what in
*squashfs | *erofs | *xfs | *btrfs | trixie-ext4)
	kept "$prefix$what" "make_$what" "$base/manifest" "$BUILD/hydroot-image" tests/image.sh ;;
demo) kept copyfirst make_copyfirst "$base/manifest" tests/boot/copyfirst.init tests/image.sh ;;
*services) kept "$prefix$what" make_services "$base/manifest" tests/slow/services.packages "$BUILD/hydroot-image" ;;
newer)
	kept kernel-newer make_newer_kernel tests/image.sh
	kernel_of=$IMAGES/kernel-newer
	kept newer make_kernel_boot "$kernel_of/kernel" "$BUILD/hydrootd" "$BUILD/hydroot" "${boot_parts[@]}"
	;;
esac
