#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# setup.sh - installs what building and testing need, on Debian 12
#
#	tests/setup.sh		installs the packages that are missing, if any
#	tests/setup.sh --list [build]	names all of them, or what building alone needs
#
# HYDROOT_SETUP=0 makes it do nothing.  No service is started.

set -euo pipefail

packages() # [LAST-HEADING]
{
	sed "${1:+/$1/q}" <<-'END' | sed 's/[[:space:]]*#.*//; /^$/d'
	# to build
	gcc			# the compiler
	pkg-config		# finds the libraries
	libc6-dev		# C library, also its static form for the tests' helpers
	libfuse3-dev		# hydrootd: the file that is the image
	linux-libc-dev		# hydrootd: linux/fuse.h and loop.h: requests that outlive a process
	libcurl4-openssl-dev	# hydrootd, hydroot-image info: HTTP
	libzstd-dev		# imgfmt: compression
	libssl-dev		# imgfmt: SHA-256, Ed25519
	libseccomp-dev		# hydrootd: the filter of the network process
	libaio-dev		# hydrootd: the store on zram
	libdevmapper-dev	# hydrootd: the handover
	libblkid-dev		# hydroot-image, hydrootd: what lies on a disk
	libjansson-dev		# JSON of status, info and meta data
	# for lint and unit tests
	libcmocka-dev		# unit tests
	libgcc-12-dev		# libasan, libtsan: make SAN=…
	shellcheck		# lint of the shell scripts
	mandoc			# lint of the manual pages
	clang-format-14		# make format
	clang-14		# make fuzz: the fuzz targets
	libclang-rt-14-dev	# libFuzzer and its sanitizers
	# for the shell and host tests
	zstd			# a hydroot image is a zstd file: tested with the tool itself
	openssl			# keys and signatures, tested from outside
	time			# memory of a build
	jq			# reads --json output
	libxml2-utils		# xmllint: the drawings of hydroot report are well-formed
	curl			# the copy-first comparison
	e2fsprogs		# makes and checks ext4 images
	squashfs-tools		# makes squashfs images
	erofs-utils		# makes erofs images
	xfsprogs		# XFS as input; xfs_repair after writing to one
	btrfs-progs		# btrfs as input
	dosfstools		# vfat as input
	qemu-utils		# qemu-img: qcow2 and the like as input
	umoci			# OCI layouts as input
	xz-utils		# compressed input
	fakeroot		# owners and devices of a tree, without root
	attr			# setfattr: attributes of a tree
	acl			# setfacl: access control lists of a tree
	libcap2-bin		# setcap: capabilities in a tree
	faketime		# the same image on another day
	debhelper		# the Debian packages
	lintian			# what is wrong with them
	rpm			# rpmbuild: the RPM packages
	nginx-light		# the server of the tests
	tinyproxy-bin		# a proxy in front of it
	nfs-ganesha-vfs		# a server of nfs:// that needs nothing of the kernel
	glusterfs-server	# servers and client of glusterfs://, the example of a transport hook
	fio			# mixed reads and writes that are verified; IOPS
	dmsetup			# looks at device-mapper tables
	fdisk			# sfdisk: partitioned disks as input
	psmisc			# fuser: who holds a mount
	procps			# ps, pgrep
	util-linux		# losetup, flock, setarch
	iproute2		# ip, tc: the demo's slow network
	dbus-daemon		# systemd-networkd is told to reload by a bus
	python3			# a router that advertises an IPv6 prefix
	# for make bench-read: what it is measured beside
	nbdkit			# nbdkit's curl plugin
	libnbd-bin		# nbdfuse
	qemu-system-common	# qemu-storage-daemon
	qemu-block-extra	# its http driver
	# for the boot tests
	qemu-system-x86		# the guests
	mmdebstrap		# the Debian image that they boot
	debian-archive-keyring	# its signatures
	busybox-static		# the initramfs
	kmod			# modprobe, depmod for the initramfs
	cpio			# packs the initramfs
	dropbear-bin		# ssh in the rescue system
	openssh-client		# who comes in there
	END
}

missing()
{
	local package
	for package in $(packages); do
		case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
		*' installed') ;;
		*) echo "$package" ;;
		esac
	done
}

# Packages must not start their services here: nginx is run by the tests only.
install_quietly()
{
	local policy=/usr/sbin/policy-rc.d placed='' status=0
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
		placed=yes
	fi
	DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" ||
		status=$?
	[ -z "$placed" ] || rm -f $policy
	return $status
}

if [ "${1-}" = --list ]; then
	packages "${2:+# for lint}"
	exit 0
fi
if [ "${HYDROOT_SETUP-1}" = 0 ]; then
	echo "setup: skipped, HYDROOT_SETUP=0"
	exit 0
fi
mapfile -t wanted < <(missing)
if [ ${#wanted[@]} = 0 ]; then
	echo "setup: everything is installed"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "setup: as root, please: apt-get install ${wanted[*]}" >&2
	exit 1
fi
echo "setup: installing ${wanted[*]}"
apt-get -q update
install_quietly "${wanted[@]}"
if [ -d /run/systemd/system ]; then
	systemctl --quiet disable nginx.service 2>/dev/null || true
fi
