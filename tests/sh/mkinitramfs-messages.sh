#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-mkinitramfs: what it says when it cannot do what is wanted, and that nothing is left then
. "$(dirname "$0")/../lib.sh"
requires cpio depmod zstd busybox

mk=(sh initramfs/standalone/hydroot-mkinitramfs)
printf '#!/bin/sh\n' >"$T/hydrootd"
chmod 755 "$T/hydrootd"
mkdir -p "$T/root/lib/modules/6.6.0/kernel/fs/fuse" "$T/root/boot"

refuses() # CODE PATTERN OPTION...
{
	local code=$1 pattern=$2
	shift 2
	expect_exit "$code" "${mk[@]}" --daemon "$T/hydrootd" --output "$T/initramfs" "$@"
	assert_contains "$*" "^hydroot-mkinitramfs: $pattern" "$T/out"
	[ -z "$(find "$T" -name 'initramfs*')" ] || fail "$*: left a file behind"
}

expect_exit 0 "${mk[@]}" --help
assert_contains "help" '^usage: hydroot-mkinitramfs' "$T/out"
expect_exit 2 "${mk[@]}"
assert_contains "no output" '^hydroot-mkinitramfs: --output: missing' "$T/out"
refuses 2 '--wrong: no such option' --wrong=1
refuses 2 'more: not an option' more
refuses 2 '--kernel: needs a value' --kernel
refuses 2 '--compress=rar: accepted are' --modules-dir=none --compress=rar

refuses 1 'kernel 9.9.9: no .*/lib/modules/9.9.9: give --kernel' --root "$T/root" --kernel 9.9.9
refuses 1 'kernel 6.6.0: no .*/modules.dep: run depmod' --root "$T/root" --kernel 6.6.0
refuses 1 '/nowhere/hydrootd: no such file' --modules-dir=none --daemon /nowhere/hydrootd
refuses 1 '/nowhere/key: no such file \(--public-key\)' --modules-dir=none --public-key /nowhere/key
refuses 1 '/nowhere/hook: no such file \(--hook\)' --modules-dir=none --hook /nowhere/hook
refuses 1 '/nowhere/f: no such file \(--add-file\)' --modules-dir=none --add-file /nowhere/f:/f
refuses 2 '--add-file=.*absolute' --modules-dir=none --add-file "$T/hydrootd:f"
cat=$(command -v cat)
refuses 1 "$cat: not statically linked" --modules-dir=none --busybox "$cat"

# A kernel that says it cannot unpack the archive.
touch "$T/root/lib/modules/6.6.0/modules.dep"
echo '# CONFIG_RD_ZSTD is not set' >"$T/root/boot/config-6.6.0"
refuses 1 'kernel 6.6.0: cannot unpack zstd' --root "$T/root" --kernel 6.6.0

# A driver that the kernel does not have.
refuses 1 '--drivers: e1000: kernel 6.6.0 has no such module' \
	--root "$T/root" --kernel 6.6.0 --drivers e1000 --compress gzip
