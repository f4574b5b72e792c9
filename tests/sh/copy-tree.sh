#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot copy-tree: what a copied root keeps, and that it says what it could not copy
. "$(dirname "$0")/../lib.sh"
requires setfattr getfattr

mkdir -p "$T/from/bin" "$T/from/empty" "$T/from/deep/er" "$T/to"
echo program >"$T/from/bin/ping"
chmod 4755 "$T/from/bin/ping"
ln "$T/from/bin/ping" "$T/from/deep/er/same"
ln -s ../bin/ping "$T/from/deep/link"
ln -s nowhere "$T/from/deep/dangling"
mkfifo -m 620 "$T/from/fifo"
truncate -s 8M "$T/from/sparse"
printf end | dd of="$T/from/sparse" bs=1 seek=5M conv=notrunc status=none
printf 'a\nb' >"$T/from/new
line"
touch -d '2001-02-03 04:05:06.789 UTC' "$T/from/bin/ping" "$T/from/deep/er"
touch -h -d '2001-02-03 04:05:06 UTC' "$T/from/deep/link"
chmod 1777 "$T/from/empty"
chmod 750 "$T/from"
for i in $(seq 1200); do echo "$i"; done | (cd "$T/from/deep" && xargs touch)
(cd "$T/from/deep" && for i in $(seq 600); do ln "$i" "linked$i"; done)
is_root=
if [ "$(id -u)" = 0 ]; then
	is_root=1
	chown 12:34 "$T/from/empty"
	chown -h 56:78 "$T/from/deep/link"
	chown 5:0 "$T/from/bin/ping"
	chmod 4755 "$T/from/bin/ping"
	mknod "$T/from/null" c 1 3
	setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$T/from/bin/ping"
	setfattr -n security.selinux -v 'system_u:object_r:ping_exec_t:s0' "$T/from/bin/ping"
	setfattr -h -n security.selinux -v 'system_u:object_r:link_t:s0' "$T/from/deep/link"
	setfattr -n security.selinux -v 'system_u:object_r:root_t:s0' "$T/from"
fi

listing() # DIR: everything but where it is
{
	(cd "$1" && find . -printf '%P\0%y %m %U:%G %n %s %T@ %l\n' | sort -z &&
		find . ! -type p ! -type c -print0 | sort -z | xargs -0 getfattr -h -d -m - 2>/dev/null &&
		find . -type f -print0 | sort -z | xargs -0 sha256sum) |
		sed -E 's/ d ([0-9]+) ([0-9:]+) ([0-9]+) [0-9]+ / d \1 \2 \3 - /'
}

expect_exit 0 hydroot copy-tree "$T/from" "$T/to"
assert_equal "messages" "" "$(cat "$T/out")"
listing "$T/from" >"$T/a"
listing "$T/to" >"$T/b"
sed -i -E 's/^(.*\x00d [0-9]+ [0-9:]+ [0-9]+) [0-9]+ /\1 - /' "$T/a" "$T/b"
cmp "$T/a" "$T/b" || fail "the copy differs: $(diff -a "$T/a" "$T/b" | head -n 5 | tr '\0' ' ')"
assert "the listing has something in it" test "$(wc -l <"$T/a")" -gt 1200
assert_equal "inodes of a hard link" "$(stat -c %i "$T/to/bin/ping")" "$(stat -c %i "$T/to/deep/er/same")"
assert "holes stay holes" test "$(stat -c %b "$T/to/sparse")" -lt 1000
if [ -n "$is_root" ]; then
	assert_equal "attributes" 6 "$(grep -ac '^security\.' "$T/b")"
	assert_equal "device" "1:3" "$(stat -c %t:%T "$T/to/null")"
fi

# What the directory itself has, but for what overlayfs keeps to itself in a layer.
mkdir "$T/top"
touch -d '2001-02-03 04:05:06 UTC' "$T/from"
if [ -n "$is_root" ]; then
	chown 12:34 "$T/from"
	setfattr -n trusted.overlay.opaque -v y "$T/from"
fi
properties() { stat -c '%a %u:%g %Y' "$1" && getfattr --absolute-names -d -m security "$1" | sed 1d; } # DIR
for _ in empty 'not empty'; do
	expect_exit 0 hydroot copy-tree --top "$T/from" "$T/top"
	assert_equal "properties" "$(properties "$T/from")" "$(properties "$T/top")"
	touch "$T/top/own"
done
assert_equal "content" own "$(ls -A "$T/top")"
assert_equal "an attribute of overlayfs" "" "$(getfattr --absolute-names -d -m trusted "$T/top")"
[ -z "$is_root" ] || setfattr -x trusted.overlay.opaque "$T/from"

# Into what is not empty, to nowhere, from nowhere.
expect_exit 1 hydroot copy-tree "$T/from" "$T/to"
assert_contains "not empty" '^hydroot: /.*: copy: File exists' "$T/out"
expect_exit 1 hydroot copy-tree "$T/nowhere" "$T/to"
assert_contains "nowhere" '^hydroot: .*nowhere: No such file' "$T/out"
expect_exit 2 hydroot copy-tree "$T/from"
if [ -n "$is_root" ] && mkdir "$T/small" &&
	mount -t tmpfs -o size=1m small "$T/small" 2>/dev/null; then
	head -c 3M /dev/urandom >"$T/from/large"
	expect_exit 1 hydroot copy-tree "$T/from" "$T/small" || true
	umount "$T/small"
	assert_contains "too small" '^hydroot: /large: copy: No space left' "$T/out"
	assert_equal "lines" 1 "$(wc -l <"$T/out")"
fi
