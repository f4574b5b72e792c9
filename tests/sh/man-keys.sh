#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# every key that hydrootd --help lists has its entry in hydrootd.8, and the other way round
. "$(dirname "$0")/../lib.sh"

page=fuse-root/hydrootd.8

expect_exit 0 hydrootd --help
sed -n '/^  --/p' "$T/out" | grep -oE '(^  |, )--[a-z-]+' | sed 's/.*--//' | sort -u >"$T/help"
grep -qx mode "$T/help" || fail "hydrootd --help lists no keys"

# Entries look like ".It Cm KEY Ns = Ns Ar VALUE", options like ".It Fl -OPTION"; several may share a line.
sed -n '/^\.It /p' "$page" | grep -oE '(Cm |Fl -)[a-z][a-z-]*' | sed 's/^Cm //; s/^Fl -//' |
	sort -u >"$T/page"

diff "$T/help" "$T/page" >"$T/diff" || {
	cat "$T/diff"
	fail "the keys of hydrootd --help (<) and of $page (>) are not the same"
}

# Every word of the names that --print-config prints is in the page, too.
echo 'root=hydroot:http://h/i ip=dhcp ifname=a:b nameserver=1.1.1.1' >"$T/cmdline"
expect_exit 0 hydrootd --print-config --cmdline="$T/cmdline"
grep -vE '^hydroot_[a-z0-9_]+=' "$T/out" && fail "--print-config prints something else"
sed 's/=.*//; s/^hydroot_//' "$T/out" | sort -u | while read -r name; do
	grep -qx "${name//_/-}" "$T/help" && continue
	case $name in ip_1_*) name=${name#ip_1_} ;; esac
	grep -qw -e "hydroot_$name" -e "$name" "$page" || echo "$name"
done >"$T/missing"
[ ! -s "$T/missing" ] || fail "not in $page: $(tr '\n' ' ' <"$T/missing")"
