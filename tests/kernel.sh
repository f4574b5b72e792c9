#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel.sh - unpacks Debian's standard kernel, which has what the cloud kernel of the test image lacks: USB, for one
#
#	tests/kernel.sh
#
# Left in build/images/kernel-standard/: vmlinuz, kernel (its version), config, tree/lib/modules.  The package comes from the
# machine's own apt sources and is not installed.

set -euo pipefail
cd "$(dirname "$0")/.."
: "${IMAGES:=build/images}"

say() { echo "kernel: $*" >&2; }
die() { say "$*"; exit 1; }

mkdir -p "$IMAGES"
exec 9>"$IMAGES/lock-kernel"
flock 9
package=$(apt-cache depends linux-image-amd64 2>/dev/null |
	sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
[ -n "$package" ] || die "apt knows no linux-image-amd64: run apt-get update"
version=${package#linux-image-}
folder=$IMAGES/kernel-standard-$version
work=$folder.new
[ ! -e "$folder/done" ] || exit 0

rm -rf "$IMAGES"/kernel-standard-*
mkdir -p "$work/tree/lib"
trap 'rm -rf "$work"' EXIT
say "unpacking $package"
(cd "$work" && apt-get -q download "$package" >download.log 2>&1) ||
	{ tail -n 5 "$work/download.log" >&2; die "cannot download $package"; }
dpkg-deb -x "$work/$package"_*.deb "$work/unpacked"
echo "$version" >"$work/kernel"
mv "$work/unpacked/boot/vmlinuz-$version" "$work/vmlinuz"
mv "$work/unpacked/boot/config-$version" "$work/config"
modules=$work/unpacked/lib/modules
[ -d "$modules" ] || modules=$work/unpacked/usr/lib/modules
mv "$modules" "$work/tree/lib/"
depmod -b "$work/tree" "$version"
rm -rf "$work/unpacked" "$work/$package"_*.deb
touch "$work/done"
mv "$work" "$folder"
ln -sfn "$(basename "$folder")" "$IMAGES/kernel-standard"
