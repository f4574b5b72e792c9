# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# debs.sh - the packages of this project, and Debian trees that they are installed in; sourced after lib.sh
#
# The trees are made as those of the images are, by what tests/image/base.sh has.

version=$(sed -n 's/^VERSION := //p' Makefile)
no_network=()
[ "$(id -u)" != 0 ] || no_network=(unshare --net)

# The tree as a release has it, without what was built.
copy_source() # FOLDER
{
	mkdir -p "$1"
	tar -c --exclude=./.git --exclude='./build*' . | tar -x -C "$1"
}

# In $T/debs, which is then kept as $debs.
build_debs()
{
	[ ! -d "$debs" ] || return 0
	rm -rf build/debs/????????????????*
	copy_source "$T/debs/hydroot-$version"
	(cd "$T/debs/hydroot-$version" && DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" MAKEFLAGS='' \
		timeout 800 "${no_network[@]}" dpkg-buildpackage -us -uc) >"$T/debs/log" 2>&1 || return
	rm -rf "$T/debs/hydroot-$version"
	cp -a "$T/debs" "$debs.new" && mv "$debs.new" "$debs"
}

# Sets $debs, a folder with the Debian packages, built offline, and what dpkg-buildpackage leaves beside them.  They are made
# again when something changes that they are made of.
make_debs()
{
	local key
	key=$(find debian fuse-root imgfmt initramfs kmod-hints Makefile LICENSE ./*.md tests/debs.sh -type f |
		LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16)
	debs=$TOP/build/debs/$key
	evidence+=("$T/debs/log")
	mkdir -p build/debs
	(flock 9 && build_debs) 9>build/debs/lock || fail "dpkg-buildpackage"
}

# --- in trees of Debian ---------------------------------------------------------------------------

# shellcheck disable=SC2034 # read in base.sh
work=$T
say() { note "$*"; }
die() { fail "$*"; }
# shellcheck source=tests/image/base.sh
. "$TOP/tests/image/base.sh"

in_tree() # TREE COMMAND...
{
	unshare --mount sh -ec 'mount -t proc proc "$0/proc"
		mount --rbind /dev "$0/dev"
		mount --bind /etc/resolv.conf "$0/etc/resolv.conf"
		exec chroot "$0" "$@"' "$@" </dev/null
}

# install_in TREE PACKAGE...: ours, by apt, with what they depend on.  The initramfs of before is kept in /var/tmp/before.
install_in()
{
	local tree=$1 package
	apt_sources >"$T/sources" || { apt-get -q update >&2 && apt_sources >"$T/sources"; } ||
		fail "apt knows no $suite archive: put one into /etc/apt/sources.list"
	cp "$T/sources" "$tree/etc/apt/sources.list"
	apt_options >"$tree/etc/apt/apt.conf.d/99test"
	cp "$tree"/boot/initrd.img-* "$tree/var/tmp/before"
	[ -e "$tree/etc/resolv.conf" ] || : >"$tree/etc/resolv.conf"
	for package in "${@:2}"; do cp "$debs/${package}"_*.deb "$tree/var/tmp/"; done
	evidence+=("$T/apt.log")
	in_tree "$tree" sh -c 'export DEBIAN_FRONTEND=noninteractive
		apt-get -q update && apt-get -q install --yes --no-install-recommends /var/tmp/*.deb' >"$T/apt.log" 2>&1 ||
		fail "apt-get install"
	rm -rf "$tree"/etc/apt/sources.list "$tree/etc/apt/apt.conf.d/99test" "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*
}

lists_hydroot() # TREE COMMAND-THAT-LISTS INITRAMFS: what of hydroot is in it comes into $T/hydroot
{
	in_tree "$1" "$2" "$3" >"$T/list" || fail "$2 $3"
	grep -qE 'lib/modules/.*/modules\.dep$' "$T/list" || fail "$3: no initramfs"
	grep hydroot "$T/list" >"$T/hydroot"
}

# The trigger made an initramfs with hydroot of one without; sets $initrd.
assert_triggered() # TREE LISTER
{
	initrd=$(cd "$1" && echo boot/initrd.img-*)
	refute "hydroot is in the initramfs already" lists_hydroot "$1" "$2" /var/tmp/before
	lists_hydroot "$1" "$2" "/$initrd" || fail "the packages do not make a new initramfs"
	assert_contains "the daemon in the initramfs" 'usr/sbin/hydrootd$' "$T/hydroot"
	assert_contains "hydroot.conf in the initramfs" 'etc/hydroot/hydroot.conf$' "$T/hydroot"
	note "installed, and an initramfs was made"
}

assert_nothing_named() # WHERE LIST: but for what the tests put there
{
	refute "$1: left behind" grep -vE '/hydroot-(test|agent)' "$2"
}

# A purge of the packages makes an initramfs without hydroot, and leaves nothing.
assert_purged() # TREE LISTER PACKAGE...
{
	in_tree "$1" dpkg --purge "${@:3}" >"$T/purge.log" 2>&1 || fail "dpkg --purge: $(cat "$T/purge.log")"
	refute "after a purge hydroot is in the initramfs" lists_hydroot "$1" "$2" "/$initrd"
	rm -f "$1"/var/tmp/*
	find "$1" -xdev -name '*hydroot*' -printf '/%P\n' >"$T/left"
	assert_nothing_named "the tree" "$T/left"
	refute "configuration that names hydroot" grep -rIl hydroot "$1/etc" --exclude=hostname --exclude=hosts \
		--exclude=hydroot-agent.service
	note "purged"
}
