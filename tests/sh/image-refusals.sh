#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# build refuses what a disk with 4096-byte sectors cannot hold, and names the remedy; wrong usage is
# exit 2 with a message; a refusal leaves no output.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"
export PATH="$PATH:/usr/sbin:/sbin"

# said STATUS TEXT ARGUMENT...: of the tool; with no output left when it failed
said() {
	want=$1 text=$2
	shift 2
	expect "$want" "$text" "$tool" "$@"
	[ ! -e "$tmp/x.hri" ] || [ "$want" = 0 ] || fail "'$*' left an output"
	rm -f "$tmp/x.hri"
}

# bytes OFFSET OCTAL...: into a fresh file of 1 MiB
fresh() {
	rm -f "$tmp/fs"
	truncate -s 1M "$tmp/fs"
}
put() {
	# shellcheck disable=SC2059 # the format is the bytes
	printf "$2" | dd of="$tmp/fs" bs=1 seek="$1" conv=notrunc status=none
}

if command -v mke2fs >/dev/null; then
	for blocks in 1024 2048; do
		fresh
		mke2fs -q -F -t ext4 -O ^has_journal -b $blocks "$tmp/fs"
		said 1 "ext4 .*$blocks bytes.*mke2fs -b 4096" build "$tmp/fs" "$tmp/x.hri"
	done
	rm "$tmp/fs" && truncate -s 16M "$tmp/fs"
	mke2fs -q -F -t ext2 -b 4096 "$tmp/fs"
	said 0 '' build "$tmp/fs" "$tmp/x.hri"
fi

fresh # XFS superblock: block size 4096, sector size 512
put 0 'XFSB\000\000\020\000'
put 102 '\002\000'
said 1 'xfs .*512 bytes.*mkfs.xfs -s size=4096' build "$tmp/fs" "$tmp/x.hri"
put 102 '\020\000'
said 0 '' build "$tmp/fs" "$tmp/x.hri"

fresh # FAT with sectors of 512 bytes
put 11 '\000\002'
put 82 'FAT32   '
put 510 '\125\252'
said 1 'vfat .*512 bytes.*mkfs.vfat -S 4096' build "$tmp/fs" "$tmp/x.hri"
put 11 '\000\020'
said 0 '' build "$tmp/fs" "$tmp/x.hri"

fresh # btrfs, sector size at 65536 + 144
put 65600 '_BHRfS_M'
put 65680 '\000\010\000\000'
said 1 'btrfs .*2048 bytes.*sectorsize 4096' build "$tmp/fs" "$tmp/x.hri"

fresh # erofs with blocks of 512 bytes
put 1024 '\342\341\365\340'
put 1036 '\011'
said 1 'erofs .*512 bytes.*mkfs.erofs -b 4096' build "$tmp/fs" "$tmp/x.hri"

# The same from the real tools, as far as they are here; `make setup` installs them.
# real TOOL SIZE MESSAGE BAD-OPTIONS GOOD-OPTIONS
real() {
	command -v "$1" >/dev/null || return 0
	rm -f "$tmp/fs" && truncate -s "$2" "$tmp/fs"
	# shellcheck disable=SC2086 # options are words
	"$1" $4 "$tmp/fs" >"$tmp/out" 2>&1 || fail "$1 $4: $(cat "$tmp/out")"
	[ -z "$3" ] || said 1 "$3" build "$tmp/fs" "$tmp/x.hri"
	rm -f "$tmp/fs" && truncate -s "$2" "$tmp/fs"
	# shellcheck disable=SC2086
	"$1" $5 "$tmp/fs" >"$tmp/out" 2>&1 || fail "$1 $5: $(cat "$tmp/out")"
	said 0 '' build "$tmp/fs" "$tmp/x.hri"
}
real mkfs.xfs 400M 'xfs .*512 bytes.*mkfs.xfs -s size=4096' '-q' '-q -s size=4096'
real mkfs.vfat 300M 'vfat .*512 bytes.*mkfs.vfat -S 4096' '-F 32' '-F 32 -S 4096'
real mkfs.btrfs 200M '' '-q' '-q --sectorsize 4096'

fresh
put 512 'EFI PART'
said 1 'partitioned disk, but its table is damaged' build "$tmp/fs" "$tmp/x.hri"

fresh
said 0 'warning: no filesystem that is known' build "$tmp/fs" "$tmp/x.hri"

: >"$tmp/fs"
said 1 'is empty' build "$tmp/fs" "$tmp/x.hri"
said 1 'cannot open' build "$tmp/none" "$tmp/x.hri"
fresh
said 1 'cannot create' build "$tmp/fs" "$tmp/none/x.hri"

for option in --chunk-size=32K --chunk-size=8M --chunk-size=100K --chunk-size=x --level=0 --level=99 \
	--jobs=0 --jobs=-1 --jobs=999 --version-number=x --version-number=9223372036854775808 \
	--fs=ntfs --partition=0 --partition=root --nonsense --jobs; do
	said 2 "^hydroot-image: build: ${option%%=*}" build "$option"
done
said 1 'has no partitions' build --partition=1 "$tmp/fs" "$tmp/x.hri"
said 1 'is INPUT and OUTPUT' build "$tmp/fs" "$tmp/fs"
said 2 'give INPUT and OUTPUT' build "$tmp/fs"
said 2 'no such command' frobnicate
said 2 'Usage'

for text in '[]' '{' '{"a":1,"a":2}' '{"name":""}' '{"name":3}' '{} x'; do
	echo "$text" >"$tmp/meta"
	said 1 'meta: ' build --meta="$tmp/meta" "$tmp/fs" "$tmp/x.hri"
done

for command in '' build info verify extract; do
	# shellcheck disable=SC2086 # none at all when empty
	"$tool" $command --help >"$tmp/out" 2>"$tmp/err" || fail "$command --help failed"
	grep -q '^Usage: hydroot-image' "$tmp/out" || fail "$command --help is not on stdout"
	[ ! -s "$tmp/err" ] || fail "$command --help writes to stderr"
done
"$tool" --version | grep -qx 'hydroot-image [0-9.]*' || fail "--version"
"$tool" --help >/dev/full 2>/dev/null && fail "a full disk behind stdout went unnoticed"
exit 0
