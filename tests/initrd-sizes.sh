#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# initrd-sizes.sh - what hydroot adds to an initramfs, in bytes, and the largest of it
#
#	tests/initrd-sizes.sh NAME INITRD [INITRD-WITHOUT-HYDROOT]
#
# Without the last one all of INITRD is hydroot's.

set -eu
name=$1 with=$(realpath "$2") without=${3:+$(realpath "$3")}
work=$(mktemp -d "${TMPDIR:-/tmp}/hydroot-sizes.XXXXXX")
trap 'rm -rf "$work"' EXIT

from() { tail -c "+$(($2 + 1))" "$1"; } # FILE OFFSET

# Some builders put archives that are not compressed before the one that is.
unpack() # INITRD
{
	local at=0 end
	while [ "$(from "$1" $at | head -c 5 | tr '\0' .)" = 07070 ]; do
		from "$1" $at | cpio -idmu --quiet --no-absolute-filenames || true
		end=$(from "$1" $at | grep -m 1 -abo 'TRAILER!!!' | head -n 1 | cut -d : -f 1)
		at=$((at + end + 10))
		end=$(from "$1" $at | head -c 100000 | grep -m 1 -aboP '[^\x00]' | head -n 1 | cut -d : -f 1)
		[ -n "$end" ] || return 0
		at=$((at + end))
	done
	if from "$1" $at | zstd -qt 2>/dev/null; then from "$1" $at | zstd -dcq; else from "$1" $at | gzip -dc; fi |
		cpio -idmu --quiet --no-absolute-filenames
}

list() # INITRD: bytes and names of its files, by name
{
	[ -n "$1" ] || return 0
	mkdir "$work/files"
	(cd "$work/files" && unpack "$1" && find . -type f -links 1 -printf '%s %P\n') | LC_ALL=C sort -k2
	rm -rf "$work/files"
}

bytes() { stat -c %s "$1" 2>/dev/null || echo 0; }

list "$with" >"$work/with"
list "$without" >"$work/without"
before=$(bytes "$without") after=$(bytes "$with")
printf '%s: %d bytes without hydroot, %d with it: %d added (compressed)\n' "$name" "$before" "$after" \
	$((after - before))
LC_ALL=C join -v 1 -1 2 -2 2 -o 1.1,1.2 "$work/with" "$work/without" | sort -rn |
	awk '{ n += $1; if (NR <= 12) printf "%9d  %s\n", $1, $2 }
		END { printf "%9d  in %d files (not compressed)\n", n, NR }'
