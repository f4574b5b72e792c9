#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# OUTPUT is whole or not there: a build that fails or is killed leaves its folder as it was.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

mkdir "$tmp/out"
echo old >"$tmp/out/x.hri"
head -c 2000000 "$tool" >"$tmp/fs"

only_the_old() {
	[ "$(ls -A "$tmp/out")" = x.hri ] || fail "$1: left $(ls -A "$tmp/out")"
	[ "$(cat "$tmp/out/x.hri")" = old ] || fail "$1: spoilt the old file"
}

# Killed while it waits for more input.
for signal in TERM INT HUP KILL; do
	mkfifo "$tmp/fifo"
	(cat "$tmp/fs"; exec sleep 20) >"$tmp/fifo" 2>/dev/null &
	feeder=$!
	# A background job of sh ignores SIGINT, unless it is told otherwise.
	"$(command -v env)" --default-signal="INT" "$tool" build - "$tmp/out/x.hri" \
		<"$tmp/fifo" 2>/dev/null &
	build=$!
	sleep 0.3
	kill -$signal $build
	wait $build 2>/dev/null && fail "SIG$signal: build succeeded"
	kill $feeder 2>/dev/null || true
	wait $feeder 2>/dev/null || true
	rm "$tmp/fifo"
	only_the_old "SIG$signal"
done

# No room: a limit on file sizes stands in for a full disk.
(
	trap '' XFSZ
	ulimit -f 100
	"$tool" build "$tmp/fs" "$tmp/out/x.hri" 2>"$tmp/err"
) && fail "a build without room succeeded"
grep -q 'cannot write' "$tmp/err" || fail "no room: said $(cat "$tmp/err")"
only_the_old "no room"

# A damaged image does not overwrite what was extracted before.
"$tool" build "$tmp/fs" "$tmp/img" 2>/dev/null
bytes=$(stat -c %s "$tmp/img")
printf 'XXXX' | dd of="$tmp/img" bs=1 seek=$((bytes / 2)) conv=notrunc status=none
"$tool" extract "$tmp/img" "$tmp/out/x.hri" 2>"$tmp/err" && fail "a damaged image was extracted"
grep -q 'chunk [0-9]* at offset [0-9]*: wrong SHA-256' "$tmp/err" || fail "said $(cat "$tmp/err")"
only_the_old "damaged image"

# Never anything but a regular file.
"$tool" build "$tmp/fs" "$tmp/out" 2>"$tmp/err" && fail "a folder as OUTPUT"
grep -q 'not a regular file' "$tmp/err" || fail "said $(cat "$tmp/err")"
only_the_old "folder"

umask 027
"$tool" build "$tmp/fs" "$tmp/out/x.hri" 2>/dev/null
[ "$(stat -c %a "$tmp/out/x.hri")" = 640 ] || fail "mode $(stat -c %a "$tmp/out/x.hri")"
"$tool" verify "$tmp/out/x.hri" || fail "the new file is not whole"
[ "$(ls -A "$tmp/out")" = x.hri ] || fail "left $(ls -A "$tmp/out")"
