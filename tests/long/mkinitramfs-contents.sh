#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-mkinitramfs: what is in the archive, module options and order, and twice the same bytes
#
# The modules are made up: depmod and busybox do not ask what is in them.  With HYDROOT_TEST_ROOT,
# a folder with an unpacked kernel package on which depmod was run, that kernel's are taken too.
. "$(dirname "$0")/../lib.sh"
requires cc cpio depmod zstd xz busybox

mk=(sh initramfs/standalone/hydroot-mkinitramfs)
version=6.6.0-test
modules=$T/root/lib/modules/$version
printf '#!/bin/sh\n' >"$T/hydrootd"
chmod 755 "$T/hydrootd"
echo 'mode=stream' >"$T/conf"
echo key >"$T/key"
echo 'hydroot_onfail_delay=1' >"$T/hook"

# A relocatable object with no content is module enough.
empty_module() { mkdir -p "$(dirname "$1")" && printf '' | cc -x c -c -o "$1" -; }

for m in fs/fuse/fuse drivers/block/loop drivers/net/virtio_net drivers/md/dm-mod \
	drivers/net/ethernet/intel/e1000 mm/zsmalloc sound/beep fs/nfs/nfs fs/nfs/nfsv4; do
	empty_module "$modules/kernel/$m.ko"
done
empty_module "$modules/kernel/drivers/block/zram.ko"
zstd -q --rm "$modules/kernel/drivers/block/zram.ko"
cat >"$modules/modules.dep" <<END
kernel/fs/fuse/fuse.ko:
kernel/drivers/block/loop.ko:
kernel/drivers/net/virtio_net.ko:
kernel/drivers/md/dm-mod.ko:
kernel/drivers/net/ethernet/intel/e1000.ko:
kernel/mm/zsmalloc.ko:
kernel/sound/beep.ko:
kernel/fs/nfs/nfs.ko:
kernel/fs/nfs/nfsv4.ko: kernel/fs/nfs/nfs.ko
kernel/drivers/block/zram.ko.zst: kernel/mm/zsmalloc.ko
END
echo kernel/net/packet/af_packet.ko >"$modules/modules.builtin"

build() # OUTPUT OPTION...
{
	local output=$1
	shift
	expect_exit 0 "${mk[@]}" --daemon "$T/hydrootd" --root "$T/root" --kernel "$version" \
		--reproducible --compress none --output "$output" "$@"
}

contents() { cpio -t --quiet <"$1"; }
has() { assert "$2 is in the archive" grep -qxF -- "$2" "$1"; }
has_not() { refute "$2 is in the archive" grep -qxF -- "$2" "$1"; }

export HYDROOT_CONF=$T/etc
with=(--conf "$T/conf" --public-key "$T/key" --hook "$T/hook" --add-file "$T/key:/etc/x/y")
build "$T/one" "${with[@]}"
contents "$T/one" >"$T/list"
in_modules=usr/lib/modules/$version/kernel
for f in init usr/sbin/hydrootd usr/bin/busybox usr/sbin/modprobe usr/bin/udhcpc \
	etc/hydroot/hydroot.conf etc/hydroot/image.pub usr/lib/hydroot/build-time etc/x/y \
	usr/lib/hydroot/lib.sh usr/lib/hydroot/handover.sh usr/lib/hydroot/hooks/10-hook $in_modules/fs/fuse/fuse.ko \
	$in_modules/drivers/block/zram.ko $in_modules/drivers/net/ethernet/intel/e1000.ko; do
	has "$T/list" "$f"
done
has_not "$T/list" "$in_modules/sound/beep.ko"
has_not "$T/list" "$in_modules/fs/nfs/nfs.ko"
assert_equal "message" "" "$(cat "$T/out")"

mkdir "$T/tree"
(cd "$T/tree" && cpio -id --quiet <"$T/one")
assert_contains "loop's option" '^options loop hw_queue_depth=1024$' \
	"$T/tree/etc/modprobe.d/hydroot.conf"
assert_contains "loaded at the start" '^fuse$' "$T/tree/lib/hydroot/modules"
assert_contains "unpacked zram" '/zram\.ko:' "$T/tree/lib/modules/$version/modules.dep"

# The same bytes, wherever and whenever it is made.
sleep 1.1
build "$T/two" "${with[@]}"
assert "two builds are the same" cmp "$T/one" "$T/two"

# Nothing in it is secret so far; a password is, and a key that the configuration names.
assert_equal "mode without secrets" 644 "$(stat -c %a "$T/one")"
printf '#!/bin/sh\n' >"$T/tool"
chmod 750 "$T/tool"
touch "$T/secret"
build "$T/secret" --add-file "$T/tool:/usr/bin/tool"
assert_equal "mode with secrets" 600 "$(stat -c %a "$T/secret")"
assert_contains "the mode of a file" '^-rwxr-x--- .* usr/bin/tool$' <(cpio -tv --quiet <"$T/secret")
# In the place of a link to busybox, not through it.
build "$T/replaced" --add-file "$T/tool:/usr/bin/mount"
cpio -tv --quiet <"$T/replaced" >"$T/list"
assert_contains "the file" '^-rwxr-x--- .* usr/bin/mount$' "$T/list"
assert_equal "busybox" "$(stat -L -c %s "$(command -v busybox)")" "$(awk '$NF == "usr/bin/busybox" { print $5 }' "$T/list")"
echo 'cert-key=/etc/x/y' >"$T/names-key"
build "$T/named" --conf "$T/names-key" --add-file "$T/key:/etc/x/y"
assert_equal "mode with a named key" 600 "$(stat -c %a "$T/named")"
assert_equal "message" "" "$(cat "$T/out")"

# A file that the configuration names and that is not there is said.
printf '%s\n' '# ca=/comment' ' ca = "/etc/x/ca.pem"' cert=0 credentials=/etc/x/passwords cert-key=/etc/x/y >"$T/names-more"
build "$T/missing" --conf "$T/names-more" --add-file "$T/key:/etc/x/y"
assert_equal "messages" "hydroot-mkinitramfs: $T/names-more: ca=/etc/x/ca.pem: not in the initramfs: add it by --add-file
hydroot-mkinitramfs: $T/names-more: credentials=/etc/x/passwords: not in the initramfs: add it by --add-file" \
	"$(cat "$T/out")"

# What images at nfs:// need: by an option, or where the configuration names one.
build "$T/nfs" --modules nfs
contents "$T/nfs" >"$T/list"
has "$T/list" "$in_modules/fs/nfs/nfsv4.ko"
echo ' server = nfs://h/d/i.hri' >"$T/names-nfs"
build "$T/nfs" --conf "$T/names-nfs"
contents "$T/nfs" >"$T/list"
has "$T/list" "$in_modules/fs/nfs/nfsv4.ko"

# Hooks of this host.
mkdir -p "$T/etc/hooks.d"
echo 'true' >"$T/etc/hooks.d/save"
build "$T/hooks"
contents "$T/hooks" >"$T/list"
has "$T/list" etc/hydroot/hooks.d/save

# Hooks for transports are those of this host, with what they call.
mkdir -p "$T/etc/transport.d"
echo 'exit 1' >"$T/etc/transport.d/myfs"
echo "echo $(type -P true)" >"$T/etc/transport.d/myfs.files"
build "$T/transports"
contents "$T/transports" >"$T/list"
has "$T/list" etc/hydroot/transport.d/myfs
has "$T/list" "usr/bin/true"
rm -r "${T:?}/etc"

# Firmware, however it is compressed.
mkdir -p "$T/root/lib/firmware/a"
printf '.section .modinfo,"a"\n.ascii "firmware=a/one.bin\\0firmware=a/two.bin\\0firmware=a/three.bin\\0"\n' |
	cc -x assembler -c -o "$modules/kernel/drivers/net/ethernet/intel/e1000.ko" -
for name in one two three; do echo "$name" >"$T/root/lib/firmware/a/$name.bin"; done
zstd -q --rm "$T/root/lib/firmware/a/two.bin"
xz "$T/root/lib/firmware/a/three.bin"
build "$T/firmware"
rm -rf "$T/tree" && mkdir "$T/tree"
(cd "$T/tree" && cpio -id --quiet <"$T/firmware")
assert_equal "firmware" "one two three" "$(cd "$T/tree/lib/firmware/a" && cat one.bin two.bin three.bin | xargs)"

# A chosen driver only; another compression; a list.
build "$T/virtio" --drivers virtio --compress gzip --list
gzip -dc "$T/virtio" | cpio -t --quiet >"$T/list"
has "$T/list" "$in_modules/drivers/net/virtio_net.ko"
has_not "$T/list" "$in_modules/drivers/net/ethernet/intel/e1000.ko"
assert_contains "--list" '^ *[0-9]+  usr/bin/busybox$' "$T/out"

# No modules wanted, none taken; a missing one is said.
rm "$modules/kernel/fs/fuse/fuse.ko"
sed -i /fuse/d "$modules/modules.dep"
build "$T/no-fuse"
assert_contains "missing fuse" \
	'^hydroot-mkinitramfs: fuse: kernel .* has no such module: needed for hybrid' "$T/out"
build "$T/none" --modules-dir none
contents "$T/none" >"$T/list"
refute "no modules" grep -q 'usr/lib/modules' "$T/list"

# What glibc loads by name, where this one has it as files: names could not be resolved without.
libc=$(ldd "$BUILD/hydrootd" | sed -n 's|.*=> \(/.*\)/libc\.so\.6 .*|\1|p')
if [ -e "${libc:-/none}/libnss_dns.so.2" ]; then
	build "$T/names" --modules-dir none --daemon "$BUILD/hydrootd"
	contents "$T/names" >"$T/list"
	for f in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2 libgcc_s.so.1; do
		assert_contains "glibc's" "/${f//./\\.}\$" "$T/list"
	done
fi

if [ -n "${HYDROOT_TEST_ROOT:-}" ]; then
	real=$(basename "$(echo "$HYDROOT_TEST_ROOT"/lib/modules/*)")
	expect_exit 0 "${mk[@]}" --daemon "$T/hydrootd" --root "$HYDROOT_TEST_ROOT" \
		--kernel "$real" --output "$T/real"
	zstd -dcq "$T/real" | cpio -t --quiet >"$T/list"
	assert_contains "ext4, btrfs and what it needs" '/(xor|raid6_pq)\.ko$' "$T/list"
fi
