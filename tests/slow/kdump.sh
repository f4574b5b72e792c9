#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
# A node that crashes starts the kernel that was loaded for it, with hydroot's initramfs and the same root=hydroot:URL.  There
# hydroot stands aside: it says so, fetches nothing, and a hook of the stage kdump sees the memory of the crashed
# kernel.  Then the stand-alone init reboots; in initramfs-tools and dracut the boot goes on to what the admin has there, and with
# panic= nobody gets a shell at rd.break=kdump.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx hydrootd mmdebstrap
tests/image.sh all
for builder in initramfs-tools dracut; do
	tests/distro.sh bookworm "$builder" >/dev/null
done
start_nginx web "$IMAGES/served/good"
url=http://$GUEST_HOST:${nginx_port[web]}/debian.hri
release=$(cat "$IMAGES/base/kernel")
GUEST_MEMORY=2048

# The memory of the crashed kernel is an ELF file that begins with what kernel it was.
cat >"$T/save" <<'END'
if [ "$stage" = kdump ]; then
	hr_print "the hook: $(dd if=/proc/vmcore bs=65536 count=1 2>/dev/null | tr '\0' '\n' |
		sed -n 's/.*\(OSRELEASE=[0-9a-z.-]*\).*/\1/p')"
fi
END

# boots_and_crashes NAME INITRAMFS [MORE-APPEND]: a node that crashes before it fetches anything, until its crash kernel says
# something of hydroot.  That kernel is in the node's initramfs; its own initramfs is a disk.
boots_and_crashes()
{
	local name=$1 node=$T/$1.node
	mkdir -p "$node/usr/lib/hydroot/hooks" "$node/usr/bin"
	cp "$TOOLS/crashload" "$node/usr/bin/"
	cp "$IMAGES/base/vmlinuz" "$node/usr/lib/hydroot/"
	cat >"$node/usr/lib/hydroot/hooks/crash" <<-END
		if [ "\$stage" = pre-attach ]; then
			cat /dev/vda >/tmp/initrd
			crashload /lib/hydroot/vmlinuz /tmp/initrd \
				"\$(sed 's/ *crashkernel=[^ ]*//' /proc/cmdline) nr_cpus=1 reset_devices ${3-}" &&
				hr_print "a crash kernel is loaded" && echo c >/proc/sysrq-trigger
		fi
	END
	initramfs_with "$T/$name.node.img" "$node"
	cp "$2" "$T/$name.initrd"
	truncate -s %512 "$T/$name.initrd"
	start_guest "$name" "$T/$name.node.img" "rw $GUEST_IP crashkernel=640M root=hydroot:$url" \
		-drive "file=$T/$name.initrd,format=raw,if=virtio,readonly=on"
	wait_console "$name" "$GUEST_BOOT_SECONDS" 'hydroot: a crash kernel is loaded'
	note "$name: crashes"
	wait_console "$name" "$GUEST_BOOT_SECONDS" 'hydroot: /proc/vmcore: a crash kernel: hydroot stands aside'
	wait_console "$name" 60 "hydroot: the hook: OSRELEASE=$release"
}

# stood_aside NAME: up to its end, which is a reboot
stood_aside()
{
	wait_guest_end "$1" 120 reboot
	assert_equal "$1: requests to the server" 0 "$(wc -l <"$(nginx_log web)")"
	sed '1,/hydroot stands aside/d' "$T/$1.console" | tr -d '\r' >"$T/after"
	refute "$1: hydroot did something after all" grep -aE 'hydroot: (start|modules|network|attach|failed|onfail)' "$T/after"
	note "$1: hydroot stood aside"
}

sh initramfs/standalone/hydroot-mkinitramfs --kernel="$release" --root="$IMAGES/base/tree" --drivers=virtio \
	--daemon="$BUILD/hydrootd" --hook="$T/save" --compress=none --output="$T/standalone.img"
boots_and_crashes standalone "$T/standalone.img"
stood_aside standalone

# What the admin has there instead of the root: a script at the distribution's own place.
mkdir -p "$T/own/etc/hydroot/hooks.d" "$T/own/scripts/local-top"
cp "$T/save" "$T/own/etc/hydroot/hooks.d/"
cat >"$T/own/scripts/local-top/save" <<'END'
#!/bin/sh
echo "the admin's own: boot method $BOOT, $(dd if=/proc/vmcore bs=1 skip=1 count=3 2>/dev/null)" >/dev/console
reboot -f
END
chmod 755 "$T/own/scripts/local-top/save"
echo '/scripts/local-top/save "$@"' >"$T/own/scripts/local-top/ORDER"
initramfs_with "$T/initramfs-tools.img" "$T/own" "$IMAGES/bookworm-initramfs-tools/initrd.img"
boots_and_crashes initramfs-tools "$T/initramfs-tools.img" rd.break=kdump
wait_console initramfs-tools 30 'hydroot: rd\.break: a shell at kdump'
wait_console initramfs-tools 30 'hydroot: no shell: panic=-1 keeps it away'
wait_console initramfs-tools 60 "the admin's own: boot method local, ELF"
stood_aside initramfs-tools

rm -r "$T/own/scripts"
mkdir -p "$T/own/usr/lib/dracut/hooks/pre-pivot"
cat >"$T/own/usr/lib/dracut/hooks/pre-pivot/99-save.sh" <<'END'
echo "the admin's own: $(dd if=/proc/vmcore bs=1 skip=1 count=3 2>/dev/null)" >/dev/console
reboot -f
END
initramfs_with "$T/dracut.img" "$T/own" "$IMAGES/bookworm-dracut/initrd.img"
boots_and_crashes dracut "$T/dracut.img"
wait_console dracut 180 "the admin's own: ELF"
stood_aside dracut
