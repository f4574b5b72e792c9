#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# publish: the image appears by its digest, then the name is switched to it; nothing that a node may be
# reading is written to; --keep removes only old files that no name points to.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

digest() { "$tool" info "$1" | sed -n 's/^digest: sha256://p'; }
files() { find "$tmp/www/by-digest" -type f | wc -l; }

for n in 1 2 3 4 5; do
	seq $n 100000 >"$tmp/fs"
	mkdir "$tmp/$n"
	"$tool" build "$tmp/fs" "$tmp/$n/node.hri" 2>/dev/null
done
mkdir "$tmp/www"
one=$(digest "$tmp/1/node.hri") two=$(digest "$tmp/2/node.hri")
expect 0 '' "$tool" publish "$tmp/1/node.hri" "$tmp/www"
[ "$(readlink "$tmp/www/node.hri")" = "by-digest/$one.hri" ] || fail "the link: $(ls -l "$tmp/www")"
cmp "$tmp/www/node.hri" "$tmp/1/node.hri" || fail "another file"
[ "$(stat -c %i "$tmp/www/by-digest/$one.hri")" != "$(stat -c %i "$tmp/1/node.hri")" ] ||
	fail "the published file is the original: signing that would change it"

# The next one; who reads the first goes on reading it.
first=$(stat -c '%i %y %s' "$tmp/www/by-digest/$one.hri")
sleep 0.02
expect 0 '' "$tool" publish "$tmp/2/node.hri" "$tmp/www"
[ "$(readlink "$tmp/www/node.hri")" = "by-digest/$two.hri" ] || fail "not switched"
[ "$(stat -c '%i %y %s' "$tmp/www/by-digest/$one.hri")" = "$first" ] || fail "the old file changed"

# Again, and back: nothing is written anew.
expect 0 '' "$tool" publish "$tmp/1/node.hri" "$tmp/www"
[ "$(readlink "$tmp/www/node.hri")" = "by-digest/$one.hri" ] || fail "not switched back"
[ "$(stat -c '%i %y %s' "$tmp/www/by-digest/$one.hri")" = "$first" ] || fail "written again"
[ "$(find "$tmp/www" -mindepth 1 ! -name '*.history' | wc -l)" = 4 ] || fail "left over: $(ls -aR "$tmp/www")"

# A signature more is the same image: replaced whole, never written to.
"$tool" keygen "$tmp/k"
"$tool" sign --key="$tmp/k.key" "$tmp/1/node.hri"
expect 0 '' "$tool" publish "$tmp/1/node.hri" "$tmp/www"
expect 0 '' "$tool" verify --public-key="$tmp/k.pub" "$tmp/www/node.hri"
[ "$(stat -c '%i %y %s' "$tmp/www/by-digest/$one.hri")" != "$first" ] || fail "not replaced"

# A copy without it takes none away: both names of a key that nodes may ask for stay.
mkdir "$tmp/unsigned"
seq 1 100000 >"$tmp/fs"
"$tool" build "$tmp/fs" "$tmp/unsigned/node.hri" 2>/dev/null
signed=$(stat -c '%i %y %s' "$tmp/www/by-digest/$one.hri")
expect 0 '' "$tool" publish "$tmp/unsigned/node.hri" "$tmp/www"
[ "$(stat -c '%i %y %s' "$tmp/www/by-digest/$one.hri")" = "$signed" ] || fail "written again for nothing"
"$tool" keygen "$tmp/k2"
"$tool" sign --key="$tmp/k2.key" "$tmp/unsigned/node.hri"
expect 0 '' "$tool" publish "$tmp/unsigned/node.hri" "$tmp/www"
for key in k k2; do
	expect 0 '' "$tool" verify --public-key="$tmp/$key.pub" "$tmp/www/node.hri"
done
for key in k3 k4 k5; do
	"$tool" keygen "$tmp/$key"
	"$tool" sign --key="$tmp/$key.key" "$tmp/unsigned/node.hri"
done
expect 1 'there is no room for all; nothing was published' "$tool" publish "$tmp/unsigned/node.hri" "$tmp/www"
expect 0 '' "$tool" verify --public-key="$tmp/k.pub" "$tmp/www/node.hri"

# What was damaged on the server's disk is no image, and is replaced.
printf X | dd of="$tmp/www/by-digest/$one.hri" bs=1 seek=9000 conv=notrunc status=none
expect 0 'is damaged, and is replaced' "$tool" publish "$tmp/1/node.hri" "$tmp/www"
expect 0 '' "$tool" verify "$tmp/www/node.hri"

# So is another image, whole and signed, that somebody put under the digest: its signatures are not of this one.
cp "$tmp/2/node.hri" "$tmp/other.hri"
"$tool" keygen "$tmp/foreign"
"$tool" sign --key="$tmp/foreign.key" "$tmp/other.hri"
cp "$tmp/other.hri" "$tmp/www/by-digest/$one.hri"
expect 0 "is not the one that was asked for, sha256:$one" "$tool" publish "$tmp/1/node.hri" "$tmp/www"
grep -q 'is damaged, and is replaced' "$tmp/err" || fail "said: $(cat "$tmp/err")"
cmp "$tmp/www/node.hri" "$tmp/1/node.hri" || fail "published with what the other image had"

# --keep: the newest, and what any name points to.
cp "$tmp/1/node.hri" "$tmp/old.hri"
expect 0 '' "$tool" publish "$tmp/old.hri" "$tmp/www"
touch "$tmp/www/by-digest/README"
for n in 3 4 5; do
	sleep 0.02
	expect 0 '' "$tool" publish "$tmp/$n/node.hri" "$tmp/www"
done
[ "$(files)" = 6 ] || fail "without --keep $(files) files"
expect 0 '' "$tool" publish --keep=2 "$tmp/5/node.hri" "$tmp/www"
for n in 1 4 5; do
	[ -f "$tmp/www/by-digest/$(digest "$tmp/$n/node.hri").hri" ] || fail "$n is gone"
done
[ "$(files)" = 4 ] || fail "with --keep=2 $(files) files"
expect 0 '' "$tool" publish --keep=1 "$tmp/5/node.hri" "$tmp/www"
[ "$(files)" = 3 ] || fail "with --keep=1 $(files) files"
cmp "$tmp/www/old.hri" "$tmp/1/node.hri" || fail "a file that a name points to was removed"

# A damaged image is not published, and a file in the name's place is not replaced.
cp "$tmp/2/node.hri" "$tmp/node.hri"
printf X | dd of="$tmp/node.hri" bs=1 seek=9000 conv=notrunc status=none
expect 1 'chunk 0 at offset' "$tool" publish "$tmp/node.hri" "$tmp/www"
[ "$(files)" = 3 ] || fail "a damaged image was published"
cp "$tmp/2/node.hri" "$tmp/www/hand.hri"
cp "$tmp/5/node.hri" "$tmp/hand.hri"
expect 1 'hand.hri: is there and not a link' "$tool" publish "$tmp/hand.hri" "$tmp/www"
cmp "$tmp/www/hand.hri" "$tmp/2/node.hri" || fail "it was replaced"
expect 0 '' "$tool" publish "$tmp/www/hand.hri" "$tmp/www"
[ -L "$tmp/www/hand.hri" ] || fail "an image in the folder itself"
cmp "$tmp/www/hand.hri" "$tmp/2/node.hri" || fail "became another"
expect 1 'not a folder' "$tool" publish "$tmp/1/node.hri" "$tmp/none"
expect 2 'keep=0' "$tool" publish --keep=0 "$tmp/1/node.hri" "$tmp/www"
expect 2 'IMAGE and DIR' "$tool" publish "$tmp/1/node.hri"
