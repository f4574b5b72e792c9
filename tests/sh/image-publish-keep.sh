#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# publish --keep goes by what was published under this name, and when: a rollback counts, other names
# have their own, what the name pointed to before stays.  Two that publish at once leave no name without
# its image, and what a killed one left is cleared away.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

# make LETTER NAME: an image, at $tmp/LETTER/NAME.hri
make() {
	seq "$(printf %d "'$1")" 3000 >"$tmp/fs"
	mkdir -p "$tmp/$1"
	"$tool" build "$tmp/fs" "$tmp/$1/$2.hri" 2>/dev/null
}
digest() { "$tool" info "$1" | sed -n 's/^digest: sha256://p'; }
publish() { expect 0 '' "$tool" publish "$@"; }
there() { [ -f "$www/by-digest/$(digest "$tmp/$1")".hri ]; }
# has WHAT IMAGE...: these and no others
has() {
	what=$1
	shift
	for image; do there "$image" || fail "$what: $image is gone"; done
	n=$(find "$www/by-digest" -type f | wc -l)
	[ "$n" = $# ] || fail "$what: $n files instead of $#"
}

for letter in A B C D E F; do make $letter node; done
for letter in P Q R; do make $letter disk; done
www=$tmp/www
mkdir "$www"

# Back to A, then on to C: A is what nodes read, B is older.
for letter in A B A; do publish "$tmp/$letter/node.hri" "$www"; done
times=$(stat -c %y "$www/by-digest/"*)
publish --keep=2 "$tmp/C/node.hri" "$www"
has rollback A/node.hri C/node.hri
expect 0 '' "$tool" verify "$www/node.hri"
case $times in *"$(stat -c %y "$www/by-digest/$(digest "$tmp/A/node.hri").hri")"*) ;; *) fail "a time was touched" ;; esac

# With N of 1, nodes that read what the name was until now go on.
publish --keep=1 "$tmp/D/node.hri" "$www"
has 'the previous one' C/node.hri D/node.hri
publish --keep=1 "$tmp/D/node.hri" "$www"
has 'the same again' D/node.hri

# Two names: each has its own N; what both had goes only when neither wants it.
publish "$tmp/P/disk.hri" "$www"
publish "$tmp/Q/disk.hri" "$www"
publish --keep=1 "$tmp/E/node.hri" "$www"
publish --keep=1 "$tmp/F/node.hri" "$www"
has 'two names' E/node.hri F/node.hri P/disk.hri Q/disk.hri
cp "$tmp/F/node.hri" "$tmp/disk.hri"
publish "$tmp/disk.hri" "$www"
publish --keep=1 "$tmp/A/node.hri" "$www"
publish --keep=1 "$tmp/A/node.hri" "$www"
has 'shared' F/node.hri A/node.hri P/disk.hri Q/disk.hri
publish --keep=1 "$tmp/R/disk.hri" "$www"
publish --keep=1 "$tmp/R/disk.hri" "$www"
has 'no longer shared' A/node.hri R/disk.hri

# A link that the admin made counts too, and its image can go later.
ln -s "by-digest/$(digest "$tmp/A/node.hri").hri" "$www/canary.hri"
publish --keep=1 "$tmp/B/node.hri" "$www"
publish --keep=1 "$tmp/B/node.hri" "$www"
has 'a canary' A/node.hri B/node.hri R/disk.hri
rm "$www/canary.hri"
publish --keep=1 "$tmp/B/node.hri" "$www"
has 'no canary' B/node.hri R/disk.hri

# What a killed one left behind.
ln -s "by-digest/$(digest "$tmp/A/node.hri").hri" "$www/.node.hri.switching"
: >"$www/by-digest/.$(digest "$tmp/A/node.hri").hri.a1B2c3"
publish "$tmp/B/node.hri" "$www"
[ -z "$(find "$www" -name '.*.switching' -o -name '.*.hri.a1B2c3')" ] || fail "left: $(ls -A "$www")"

# At once: one puts an image there that is there already, the other removes it.
for round in 1 2 3 4 5 6; do
	publish "$tmp/A/node.hri" "$www"
	publish "$tmp/B/node.hri" "$www"
	"$tool" publish "$tmp/A/node.hri" "$www" 2>"$tmp/err1" &
	one=$!
	"$tool" publish --keep=1 "$tmp/B/node.hri" "$www" 2>"$tmp/err2" &
	two=$!
	wait $one || fail "round $round: $(cat "$tmp/err1")"
	wait $two || fail "round $round: $(cat "$tmp/err2")"
	"$tool" verify "$www/node.hri" 2>"$tmp/err" || fail "round $round: $(cat "$tmp/err")"
done
if command -v flock >/dev/null; then
	flock -o "$www" sh -c "'$tool' publish '$tmp/C/node.hri' '$www' 2>'$tmp/err' &
		sleep 0.5; readlink '$www/node.hri' >'$tmp/during'"
	grep -q "$(digest "$tmp/C/node.hri")" "$tmp/during" && fail "switched under another one's lock"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(digest "$www/node.hri")" = "$(digest "$tmp/C/node.hri")" ] && break
		sleep 0.5
	done
	[ "$(digest "$www/node.hri")" = "$(digest "$tmp/C/node.hri")" ] || fail "never switched"
	grep -q 'waiting for another publish' "$tmp/err" || fail "waited in silence"
fi

# A web server reads what is published, whatever the umask.
umask 077
mkdir "$tmp/private"
chmod 755 "$tmp/private"
publish "$tmp/A/node.hri" "$tmp/private"
[ "$(stat -c %a "$tmp/private/by-digest")" = 755 ] || fail "a folder that nobody can read"
[ "$(stat -Lc %a "$tmp/private/node.hri")" = 644 ] || fail "an image that nobody can read"

# A history that somebody damaged removes nothing.
echo '../etc' >"$www/.node.hri.history"
expect 1 'history: is not as publish writes it' "$tool" publish --keep=1 "$tmp/A/node.hri" "$www"
