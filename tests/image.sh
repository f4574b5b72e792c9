#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# image.sh - makes the Debian image that the boot tests and the demo boot
#
#	tests/image.sh base	the filesystem and its kernel      (once, about a minute, as root)
#	tests/image.sh all	also hydroot images of it, and initramfs to boot them
#	tests/image.sh squashfs|xfs	also the same tree with that filesystem
#	tests/image.sh demo	also an initramfs that copies first, to compare with
#
# All is kept under build/images/, in folders named by a hash of what went in and links to the
# present ones, so things are made again only when that changes:
#
# base/    rootfs.ext4 (2 GiB, sparse), vmlinuz, initrd.debian, kernel (its version),
#          tree/lib/modules, manifest (SHA-256 of each file of the image)
# served/  good/debian.hri, flipped/debian.hri (one bit of one data chunk is wrong),
#          flipped.chunk (its number), chunks (see tests/chunks.sh), bytes (size of the image)
# boot/    initramfs.img, initramfs-netkill.img
# squashfs/, xfs/ debian.hri
# copyfirst/ initramfs.img: the same boot, by copying the whole image first; for comparison
#
# The image has nothing that configures the network: what the initramfs set up stays as it is.
# Packages come from the machine's own apt sources.

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

xfs_of()
{
	truncate -s 1G "$work/fs"
	mkfs.xfs -q -s size=4096 "$work/fs"
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
make_xfs() { make_filesystem xfs; }

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

make_initramfs() # OUTPUT [OPTION...]
{
	local output=$1
	shift
	sh initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$base/kernel")" \
		--root="$base/tree" --drivers=virtio --daemon="$BUILD/hydrootd" \
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

base=$IMAGES/base
kept base make_base tests/image/* build/tests/io
case ${1-} in
base) ;;
all | demo | squashfs | xfs)
	kept served make_image "$base/manifest" "$BUILD/hydroot-image" tests/flip.sh tests/chunks.sh
	kept boot make_boot "$base/manifest" "$BUILD/hydrootd" "$BUILD/hydroot" tests/boot/*.hook \
		kmod-hints/modules.list initramfs/*.sh initramfs/standalone/* initramfs/*.rules
	case $1 in squashfs | xfs)
		kept "$1" "make_$1" "$base/manifest" "$BUILD/hydroot-image" ;;
	esac
	[ "$1" != demo ] || kept copyfirst make_copyfirst "$base/manifest" tests/boot/copyfirst.init tests/image.sh
	;;
*)
	say "usage: tests/image.sh base|all|squashfs|xfs|demo"
	exit 2
	;;
esac
