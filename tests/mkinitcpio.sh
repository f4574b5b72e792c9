# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# mkinitcpio.sh - mkinitcpio in a tree of Debian, which has no package of it; sourced by distro.sh
#
# MKINITCPIO is a folder with its source (v40 or newer): bash scripts, with the places of an installation to be written
# in.  What Arch has elsewhere than Debian is linked to where its hooks look.  MKINITCPIO_BUSYBOX may name what Arch has
# in /usr/lib/initcpio, a busybox with fewer commands than Debian's.
# shellcheck disable=SC2154 # say, die, root, work are distro.sh's

mkinitcpio_packages()
{
	printf '%s\n' systemd systemd-sysv busybox-static libarchive-tools e2fsprogs
}

mkinitcpio_version() { sed -n 's/^CHANGES WITH //p' "$MKINITCPIO/CHANGELOG" | head -n 1; }

install_mkinitcpio() # TREE
{
	local to=$1 lib=$1/usr/lib/initcpio multiarch=x86_64-linux-gnu
	mkdir -p "$lib" "$to/etc/initcpio"
	cp -r "$MKINITCPIO"/{functions,hooks,install,init,init_functions,shutdown} "$lib/"
	install -m 755 "$MKINITCPIO/mkinitcpio" "$to/usr/bin/mkinitcpio"
	find "$lib" "$to/usr/bin/mkinitcpio" -type f -exec sed -i "
		s|@VERSION@|$(mkinitcpio_version)|
		s|@BINDIR@|/usr/bin:/usr/sbin|
		s|@SYSCONFDIR@|/etc|
		s|@INITCPIO_SYSCONFDIR@|/etc/initcpio|g
		s|@INITCPIO_LIBDIR@|/usr/lib/initcpio|g
		s|@UDEVD_PATH@|/usr/lib/systemd/systemd-udevd|g
		s|@TMPFILES_PATH@|/usr/bin/systemd-tmpfiles|g
		s|@VCONSOLE_CONF@|/etc/vconsole.conf|g" '{}' +
	cp "${MKINITCPIO_BUSYBOX:-$to/usr/bin/busybox}" "$lib/busybox"
	ln -sf "$multiarch/libkmod.so.2" "$to/usr/lib/libkmod.so.2"
}

# The files that decide what comes out.
mkinitcpio_parts()
{
	find "$MKINITCPIO"/{mkinitcpio,functions,init,init_functions,hooks,install} -type f | sort
	printf '%s\n' tests/mkinitcpio.sh ${MKINITCPIO_BUSYBOX:+"$MKINITCPIO_BUSYBOX"}
}

# run_mkinitcpio TREE VERSION VARIANT [HOOK]: /boot/initrd.img-VERSION.  Its hooks name files of systemd that an older
# one, or Debian's, has not: it says so and makes the image without them, but does not return 0.  HOOK must add nothing
# to what it complains about.
run_mkinitcpio()
{
	local tree=$1 version=$2 kind='base udev' image=boot/initrd.img-$2 complaints
	[ "$3" != systemd ] || kind='base systemd'
	complaints=$tree/run/complaints${4:+-with}
	echo "HOOKS=($kind modconf ${4-} keyboard block filesystems fsck)" >"$tree/etc/mkinitcpio.conf"
	rm -f "$tree/$image"
	chroot "$tree" mkinitcpio --nocolor -k "$version" -g "/$image" >"$tree/run/out" 2>&1 || true
	cat "$tree/run/out"
	sed -n 's/^==> ERROR: //p' "$tree/run/out" | sort -u >"$complaints"
	[ -s "$tree/$image" ] && { [ -z "${4-}" ] || diff "$tree/run/complaints" "$complaints"; }
}
