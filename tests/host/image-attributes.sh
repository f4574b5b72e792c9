#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# What files have beside their content comes through a tar and through the layers of an OCI layout: capabilities,
# user.* and trusted.* with any bytes, access control lists, of files, folders and links.
. "$(dirname "$0")/../lib.sh"
requires root loop losetup setcap setfattr getfattr setfacl jq umoci mke2fs mksquashfs mkfs.erofs
. "$TOP/tests/oci.sh"

mkdir -p "$T/a/bin" "$T/a/dir/empty" "$T/mnt"
cp /bin/true "$T/a/bin/capable"
setcap cap_net_raw,cap_net_admin+ep "$T/a/bin/capable"
echo note >"$T/a/bin/note"
ln -s note "$T/a/bin/link"
setfattr -n user.note -v 'a word' "$T/a/bin/note" || skip "${TMPDIR:-/tmp} has no user.* attributes"
setfattr -n user.binary -v 0x00ff0a3d00 "$T/a/bin/note"
setfattr -n user.large -v "0x$(printf '5a%.0s' {1..1500})" "$T/a/bin/note"
setfattr -n trusted.note -v t "$T/a/dir"
setfattr -h -n trusted.link -v l "$T/a/bin/link"
setfacl -m u:1234:rw,g:77:r "$T/a/bin/note"
setfacl -m d:g:77:rx "$T/a/dir"
setfattr -n user.folder -v 1 "$T/a/dir/empty"

list()
{
	(cd "$1" && getfattr -R -h -d -m - -e hex .) |
		awk '/^# file: / { file = substr($0, 9); next } NF { print file, $0 }' | sort
}
list "$T/a" >"$T/want"
assert_equal 'attributes to keep' 9 "$(grep -c = "$T/want")"

kept() # WHAT INPUT: in all filesystems that this kernel mounts
{
	local fs seen=0
	for fs in ext4 squashfs erofs; do
		expect_exit 0 hydroot-image build --fs=$fs "$2" "$T/$fs.hri"
		hydroot-image extract "$T/$fs.hri" "$T/$fs"
		mount -o loop,ro -t $fs "$T/$fs" "$T/mnt" 2>"$T/err" || { note "no $fs here: $(cat "$T/err")"; continue; }
		list "$T/mnt" >"$T/got" || true
		umount "$T/mnt"
		possible $fs >"$T/possible"
		diff "$T/possible" "$T/got" || fail "$1, $fs: attributes differ"
		seen=$((seen + 1))
	done
	[ $seen -gt 0 ] || skip 'this kernel mounts none of them'
}

# A squashfs has no room for access control lists, and mksquashfs says so.
possible() # FILESYSTEM
{
	[ "$1" = squashfs ] || { cat "$T/want"; return; }
	assert_contains 'what squashfs cannot keep' 'system.posix_acl_access' "$T/out"
	grep -v ' system.posix_acl_' "$T/want"
}

tar --xattrs --xattrs-include='*' --acls -cf "$T/a.tar" -C "$T/a" .
kept 'a tar' "$T/a.tar"

# The file with the most of them is in the upper layer; below it has another one, which goes with it.
mkdir -p "$T/upper/bin"
mv "$T/a/bin/note" "$T/upper/bin/note"
echo older >"$T/a/bin/note"
setfattr -n user.older -v o "$T/a/bin/note"
oci_layer "$T/a" --xattrs --xattrs-include='*' --acls
oci_layer "$T/upper" --xattrs --xattrs-include='*' --acls
oci_finish
kept 'layers' "$T/oci"
