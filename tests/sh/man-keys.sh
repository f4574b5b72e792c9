#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# the key table and hydroot.cmdline(7) say the same: every key that hydrootd --help lists has its entry
# there, with the same placeholder and default, and the other way round; options that are no keys
# are in hydrootd(8).  Unknown keys are named.
. "$(dirname "$0")/../lib.sh"

keys=fuse-root/hydroot.cmdline.7
page=fuse-root/hydrootd.8

expect_exit 0 hydrootd --help
cp "$T/out" "$T/usage"
sed -n '/^  --/p' "$T/usage" | grep -oE '(^  |, )--[a-z-]+' | sed 's/.*--//' | sort -u >"$T/help"
grep -qx mode "$T/help" || fail "hydrootd --help lists no keys"

# Entries look like ".It Cm KEY Ns = Ns Ar VALUE", options like ".It Fl -OPTION"; several may share a line.
entries() # MACRO-PATTERN FILE...
{
	sed -n '/^\.It /p' "${@:2}" | grep -oE "($1)[a-z][a-z-]*" | sed -E "s/^($1)//" | sort
}
{ entries 'Cm ' "$keys"; entries 'Fl -' "$page"; } | sort >"$T/page"
assert_equal "described twice" "" "$(uniq -d "$T/page")"
diff "$T/help" "$T/page" >"$T/diff" || {
	cat "$T/diff"
	fail "hydrootd --help (<) and $keys with $page (>) are not the same"
}

# entry KEY: its lines in the page, without macros' names
entry()
{
	awk -v key="$1" '
		/^\.(It|El)/ { on = $1 == ".It" && $2 == "Cm" && $3 == key }
		on { print }' "$keys"
}

# "  --mode=MODE    what it is for (hybrid)": placeholder and default.
group=any
while IFS= read -r line; do
	case $line in
	'Keys of the boot'*) group=boot ;;
	'Keys that this version knows'*) group=ignored ;;
	esac
	[[ $line =~ ^\ \ --([a-z-]+)(=([^ ]+))?\ +(.*)$ ]] || continue
	key=${BASH_REMATCH[1]} placeholder=${BASH_REMATCH[3]} text=${BASH_REMATCH[4]}
	entry "$key" >"$T/entry"
	[ -s "$T/entry" ] || continue # an option
	head -n 1 "$T/entry" | sed -E 's/^\.It Cm [a-z-]+ ?//; s/ ?(Ns|Ar|Op) ?//g; s/^=//' >"$T/shown"
	assert_equal "placeholder of $key" "$(echo "$placeholder" | tr -d '[]')" "$(cat "$T/shown")"
	if [[ $text =~ \(([^\ ]+)\)$ && ${BASH_REMATCH[1]} != none ]]; then
		grep -qwF -e "${BASH_REMATCH[1]}" "$T/entry" ||
			fail "$keys: $key: does not name the default, ${BASH_REMATCH[1]}"
	fi
	case $group in
	any) refute "$key is for the boot only?" grep -q '^Boot only' "$T/entry" ;;
	boot) assert "$key: the page says 'Boot only'" grep -q '^Boot only' "$T/entry" ;;
	esac
done <"$T/usage"

# Every word of the names that --print-config prints is in hydrootd(8), too.
echo 'root=hydroot:http://h/i ip=dhcp ifname=a:b nameserver=1.1.1.1' >"$T/cmdline"
expect_exit 0 hydrootd --print-config --cmdline="$T/cmdline"
grep -vE '^hydroot_[a-z0-9_]+=' "$T/out" && fail "--print-config prints something else"
sed 's/=.*//; s/^hydroot_//' "$T/out" | sort -u | while read -r name; do
	grep -qx "${name//_/-}" "$T/help" && continue
	case $name in ip_1_*) name=${name#ip_1_} ;; esac
	grep -qw -e "hydroot_$name" -e "$name" "$page" || echo "$name"
done >"$T/missing"
[ ! -s "$T/missing" ] || fail "not in $page: $(tr '\n' ' ' <"$T/missing")"

# A key that does not exist is named on standard error, which is the console in a boot, and in the
# warnings; the boot goes on.
echo 'root=hydroot:http://h/i rd.hydroot.serever=http://x/i rd.hydroot.mode=lazy' >"$T/cmdline"
printf 'ratee=5\nurl=http://h/i\n' >"$T/conf"
assert "a wrong key ends the boot" hydrootd --print-config --cmdline="$T/cmdline" --conf="$T/conf" \
	>"$T/config" 2>"$T/console"
assert_contains "unknown key" 'rd\.hydroot\.serever: no such key; ignored' "$T/console"
assert_contains "unknown key of the file" "$T/conf: ratee: no such key; ignored" "$T/console"
assert_contains "wrong value" 'rd\.hydroot\.mode=lazy: wrong value: accepted: hybrid, full' "$T/console"
assert_contains "warnings" "^hydroot_n_warning='?3'?$" "$T/config"
