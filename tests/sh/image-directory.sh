#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# A directory becomes an ext4 with room to write, and two copies of a tree give the same bytes,
# whatever the order and the day of their making and whatever the caller's environment.
set -eu
tool=$(realpath "${BUILD:-build}/hydroot-image")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PATH="$PATH:/usr/sbin:/sbin"

fail() {
	echo "image-directory: $*" >&2
	exit 1
}

command -v mke2fs >/dev/null && command -v e2fsck >/dev/null || exit 77
cd "$tmp"

mkdir -p a/etc a/usr/bin a/B a/b
seq 30000 >a/usr/bin/program
chmod 755 a/usr/bin/program
ln a/usr/bin/program a/usr/bin/another
ln -s program a/usr/bin/link
echo root >a/etc/hostname
echo _ >a/B/_x
echo b >"a/b/with space"
truncate -s 1M a/b/hole
for i in $(seq 300); do echo "$i" >"a/etc/file$i"; done
find a -depth -exec touch -h -d '2024-02-29 12:00:00.123456789' {} +

# The same tree, made in the opposite order, on another day as far as ctime and atime go.
sleep 0.1
mkdir b
find a -mindepth 1 ! -type d -printf '%P\n' | sort -r >list
(cd a && tar cf - -T ../list) | (cd b && tar xf -)
for d in B b etc usr/bin usr .; do touch -d '2024-02-29 12:00:00.123456789' "b/$d"; done
for d in B b etc usr/bin usr .; do chmod "$(stat -c %a "a/$d")" "b/$d"; done
cat b/etc/hostname >/dev/null

"$tool" build a a.hri 2>err || fail "build: $(cat err)"
if grep -v 'no kernel.s modules\|not run as root' err; then fail "build said: $(cat err)"; fi
TZ=Asia/Tokyo LC_ALL=C.UTF-8 MKE2FS_CONFIG=/nonexistent E2FSPROGS_FAKE_TIME=5 \
	"$tool" build --jobs=1 b/ b.hri
cmp a.hri b.hri || fail "two copies of a tree give different images"
"$tool" verify a.hri || fail verify
"$tool" info a.hri | grep -q '"filesystem":"ext4"' || fail "no ext4"

"$tool" extract a.hri fs
e2fsck -fn fs >out 2>&1 || fail "e2fsck: $(cat out)"
debugfs -R 'stat /etc/hostname' fs >out 2>/dev/null
[ "$(grep -c 'time:.*075bcd15\|time: 0x65e0' out)" -ge 3 ] || fail "times: $(cat out)"
debugfs -R 'dump /usr/bin/another dumped' fs 2>/dev/null
cmp dumped a/usr/bin/program || fail "content"
free=$(debugfs -R stats fs 2>/dev/null | sed -n 's/^Free blocks: *//p')
[ "$free" -ge 16384 ] || fail "only $free free blocks"

echo changed >b/etc/hostname
"$tool" build b b.hri
if cmp -s a.hri b.hri; then fail "another tree gives the same image"; fi

"$tool" build none c.hri 2>/dev/null && fail "a missing directory"
[ ! -e c.hri ] || fail "left an output"
exit 0
