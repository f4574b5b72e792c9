#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# A tar, compressed or not, gives the image of the tree in it; the unpacked tree never stays, not
# after a failure and not after SIGKILL.
. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/fs-tree.sh"
requires mke2fs mksquashfs setcap zstd xz

make_tree "$T/a"
mkdir "$T/out.d"
build() { as_root hydroot-image build "$@" 2>"$T/err" || { cat "$T/err"; fail "build $*"; }; }
only() { assert_equal "$1: what is left" "$2" "$(find "$T/out.d" -mindepth 1 -printf '%P ')"; }

as_root tar --xattrs --xattrs-include='*' --sparse -cf "$T/a.tar" -C "$T/a" .
build "$T/a" "$T/want.hri"
for suffix in '' .gz .zst .xz; do
	case $suffix in
	.gz) gzip -k "$T/a.tar" ;;
	.zst) zstd -q "$T/a.tar" ;;
	.xz) xz -0 -k "$T/a.tar" ;;
	esac
	build "$T/a.tar$suffix" "$T/out.d/x.hri"
	assert "tar$suffix is the tree" cmp "$T/want.hri" "$T/out.d/x.hri"
done
only 'done' 'x.hri '

# Folders that the archive does not name, and the top, do not depend on the time.
tar -cf "$T/b.tar" -C "$T/a" etc/file1 usr/bin/link
build --fs=squashfs "$T/b.tar" "$T/b.hri"
sleep 1.1
as_root hydroot-image build --fs=squashfs "$T/b.tar" "$T/c.hri" 2>/dev/null
assert 'at another time' cmp "$T/b.hri" "$T/c.hri"

# Folders that it names have their times, be they of a moment ago or still to come.
mkdir -p "$T/t/now" "$T/t/later"
touch -d '+1 day' "$T/t/later"
build "$T/t" "$T/want2.hri"
as_root tar -cf "$T/t.tar" -C "$T/t" .
build "$T/t.tar" "$T/t.hri"
assert 'folders of now and of tomorrow' cmp "$T/want2.hri" "$T/t.hri"

for suffix in '' .gz .zst .xz; do
	head -c $(($(stat -c %s "$T/a.tar$suffix") / 2)) "$T/a.tar$suffix" >"$T/cut"
	expect_exit 1 as_root hydroot-image build "$T/cut" "$T/out.d/y.hri"
	assert_contains 'cut short' 'cut short|tar failed' "$T/out"
done
only 'cut short' 'x.hri '

if [ "$(id -u)" != 0 ]; then
	expect_exit 1 hydroot-image build "$T/a.tar" "$T/y.hri"
	assert_contains 'not root' 'as root or under fakeroot' "$T/out"
	exit 0
fi

# Ended while the tree is there.
only_x() { [ "$(ls -A "$T/out.d")" = x.hri ]; }
seen=0
for signal in TERM INT KILL; do
	hydroot-image build --level=22 --jobs=1 "$T/a.tar.xz" "$T/out.d/z.hri" 2>/dev/null &
	pid=$!
	for _ in $(seq 200); do
		compgen -G "$T/out.d/.z.hri.tree.*" >/dev/null && seen=$((seen + 1)) && break
		sleep 0.01
	done
	kill -s "$signal" "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	rm -f "$T/out.d/z.hri"
	wait_for 10 "the tree to go after SIG$signal" only_x
done
assert_equal 'trees that were there when the signal came' 3 $seen
only 'ended by signals' 'x.hri '
