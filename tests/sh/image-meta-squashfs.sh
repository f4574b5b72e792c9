#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# META of a squashfs is that of its tree, also where nobody may mount it; of a filesystem that cannot be
# looked into, and of a stream, build says that nothing is known.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires mksquashfs unsquashfs mkfs.erofs jq setpriv
mkdir -p "$T/tree/usr/bin" "$T/tree/usr/lib/modules/6.1.0-9/kernel" "$T/tree/etc/ssh"
: >"$T/tree/usr/lib/modules/6.1.0-9/modules.dep"
printf '\177ELF\002\001\001\0\0\0\0\0\0\0\0\0\002\0\267\0\001\0\0\0' >"$T/tree/usr/bin/dash"
ln -s dash "$T/tree/usr/bin/sh"
ln -s usr/bin "$T/tree/bin"
ln -s usr/lib "$T/tree/lib"
echo ID=debian >"$T/tree/usr/lib/os-release"
ln -s ../usr/lib/os-release "$T/tree/etc/os-release"
echo key >"$T/tree/etc/ssh/ssh_host_rsa_key"
mksquashfs "$T/tree" "$T/fs.squashfs" -quiet -no-progress -all-root
mkfs.erofs "$T/fs.erofs" "$T/tree" >/dev/null
chmod 755 "$T" && mkdir "$T/out" && chmod 777 "$T/out" && chmod 644 "$T"/fs.*
tool=$(command -v hydroot-image)
cp "$tool" "$T/hydroot-image"
user=()
[ "$(id -u)" != 0 ] || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)

assert "build" "${user[@]}" "$T/hydroot-image" build "$T/fs.squashfs" "$T/out/s.hri" 2>"$T/err"
assert_equal "META" '{"architecture":"aarch64","kernels":["6.1.0-9"],"os":"debian"}' \
	"$(hydroot-image info --json "$T/out/s.hri" |
		jq -cS '.meta | {architecture, kernels, os: .os_release.ID}')"
assert_contains "the host key" 'ssh_host_rsa_key: all nodes' "$T/err"
assert_equal "what is left in the folder" s.hri "$(ls -A "$T/out")"

assert "build" "${user[@]}" "$T/hydroot-image" build "$T/fs.erofs" "$T/out/e.hri" 2>"$T/err"
assert_contains "erofs without root" 'cannot look into its erofs but as root' "$T/err"
# shellcheck disable=SC2002 # a pipe is what is meant
cat "$T/fs.erofs" | hydroot-image build - "$T/out/t.hri" 2>"$T/err"
assert_contains "a stream" "cannot be looked into" "$T/err"
assert_equal "META of a stream" null "$(hydroot-image info --json "$T/out/t.hri" | jq .meta.architecture)"
