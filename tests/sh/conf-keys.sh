#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What hydroot.conf as it is installed and hydroot.conf(5) name are keys that exist, with values that are taken: also those
# in comments, which nobody would miss otherwise
. "$(dirname "$0")/../lib.sh"

page=fuse-root/hydroot.conf.5
: >"$T/cmdline"

# What hydrootd says of a file; nothing, when all is right.
faults() # FILE
{
	expect_exit 0 hydrootd --print-config --cmdline="$T/cmdline" --conf="$1"
	grep -v '^hydroot_' "$T/out" || true
}

# Lines that are keys behind a #, without it; text has a blank there.
uncomment() { sed -n 's/^#\([a-z][a-z-]*=\)/\1/p' "$1"; }

uncomment initramfs/hydroot.conf >"$T/conf"
[ "$(wc -l <"$T/conf")" -ge 5 ] || fail "hydroot.conf has no keys in comments any more"
assert_equal "keys in comments of hydroot.conf" "" "$(faults "$T/conf")"
assert_equal "hydroot.conf as it is" "" "$(grep -v '^#' initramfs/hydroot.conf | grep . || true)"

sed -n '/^\.Bd -literal/,/^\.Ed/p' $page | grep '=' | grep -v '^[#.]' >"$T/conf"
[ -s "$T/conf" ] || fail "$page has no example any more"
assert_equal "the example of $page" "" "$(faults "$T/conf")"

hydrootd --help | grep -oE -- '(^  |, )--[a-z-]+' | sed 's/.*--//' | sort -u >"$T/keys"
sed -n 's/^\.Cm \([a-z-]*\).*/\1/p' $page | sort -u | while read -r key; do
	grep -qx -e "$key" "$T/keys" || echo "$key"
done >"$T/unknown"
assert_equal "keys in the text of $page" "" "$(xargs <"$T/unknown")"

# A key that is gone is found.
printf '#sever=http://h/i\n#mode=lazy\n# text=none\n' >"$T/stale"
uncomment "$T/stale" >"$T/conf"
faults "$T/conf" >"$T/faults"
assert_contains "a key that is gone" 'sever: no such key' "$T/faults"
assert_contains "a value that is gone" 'mode=lazy: wrong value' "$T/faults"
assert_equal "faults" 2 "$(wc -l <"$T/faults")"
