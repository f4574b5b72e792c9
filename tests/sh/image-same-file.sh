#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No command replaces what it reads by what it makes, whatever the names; and an OUTPUT that cannot be
# one is refused before any work is done.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

cd "$tmp"
case $tool in /*) ;; *) tool=$OLDPWD/$tool ;; esac
seq 1 60000 >fs
echo '{"name":"x"}' >meta
"$tool" keygen k
"$tool" build --key=k.key fs a.hri 2>/dev/null
{
	printf 'hydroot-trace 1 4096 %s %s\n' "$("$tool" info a.hri | sed -n 's/^digest: //p')" \
		"$("$tool" info a.hri | sed -n 's/^raw-digest: //p')"
	echo '0 4'
} >trace
ln -s a.hri link.hri
ln k.key other-name
sha256sum fs meta trace k.key a.hri >sums

# keeps TEXT COMMAND...: refused with it, and nothing has changed
keeps() {
	expect 1 "$@"
	sha256sum --quiet -c sums || fail "'$*' destroyed it"
}

keeps 'a.hri: is IMAGE and OUTPUT' "$tool" extract a.hri a.hri
keeps 'link.hri: is IMAGE and OUTPUT' "$tool" extract a.hri link.hri
keeps 'a.hri: is IMAGE and OUTPUT' "$tool" extract link.hri "$tmp/a.hri"
keeps 'a.hri: is IMAGE and PACK' "$tool" pack --trace=trace a.hri a.hri
keeps 'trace: is the file of --trace and PACK' "$tool" pack --trace=trace a.hri trace
keeps 'k.key: is the file of --key and PACK' "$tool" pack --trace=trace --key=k.key a.hri k.key
keeps 'a.hri: is IMAGE and the file of --signed-bytes' "$tool" info --signed-bytes=a.hri a.hri
keeps 'fs: is INPUT and OUTPUT' "$tool" build fs fs
keeps 'fs: is INPUT and OUTPUT' sh -c "exec '$tool' build - fs <fs"
keeps 'k.key: is the file of --key and OUTPUT' "$tool" build --key=k.key fs k.key
keeps 'other-name: is the file of --key' "$tool" build --key=k.key fs other-name
keeps 'trace: is the file of --trace and OUTPUT' "$tool" build --trace=trace fs trace
keeps 'meta: is the file of --meta and OUTPUT' "$tool" build --meta=meta fs meta

# Before any work: the INPUT would take for ever, or is damaged.
cp a.hri bad.hri
printf X | dd of=bad.hri bs=1 seek=9000 conv=notrunc status=none
mkdir folder
mkfifo fifo
expect 1 'folder: is there and not a regular file' timeout 10 "$tool" build fifo folder
expect 1 'none/x: cannot create: its folder none is not there' timeout 10 "$tool" build fifo none/x
expect 1 'folder: is there and not a regular file' "$tool" extract bad.hri folder
expect 1 'folder: is there and not a regular file' "$tool" pack --trace=trace bad.hri folder
expect 1 'folder: is there and not a regular file' "$tool" info --signed-bytes=folder bad.hri
for arguments in 'build fifo -' 'extract bad.hri -' 'pack --trace=trace bad.hri -' \
	'info --signed-bytes=- bad.hri'; do
	# shellcheck disable=SC2086 # words
	expect 2 'standard output' timeout 10 "$tool" $arguments
done
[ ! -e ./- ] || fail "made a file named -"
expect 0 '' "$tool" build fs ./-
