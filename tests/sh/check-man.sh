#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-check --help, and the synopsis and the entries of hydroot-check(8), have the same options
. "$(dirname "$0")/../lib.sh"
page=kmod-hints/hydroot-check.8

expect_exit 0 hydroot-check --help
sed -n '/^  --/p' "$T/out" | grep -oE '(^  |, )--[a-z-]+' | sed 's/.*--//' | sort >"$T/help"
grep -qx transport "$T/help" || fail "hydroot-check --help lists no options"

sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$page" | grep -E '^\.(Op )?Fl' |
	grep -oE '(Fl |\| )-[a-z-]+' | sed 's/.* -//' | sort >"$T/synopsis"
diff "$T/help" "$T/synopsis" || fail "options of --help (<) and of the synopsis of $page (>) are not the same"
sed -nE 's/^\.It Fl -([a-z-]+).*/\1/p' "$page" | sort >"$T/entries"
diff "$T/help" "$T/entries" || fail "options of --help (<) and entries of $page (>) are not the same"

# A value stands for the same in the entry and in the synopsis.
sed -nE 's/^\.Op Fl //p' "$page" | sort >"$T/forms"
sed -nE 's/^\.It Fl //p' "$page" | grep -vxE -e '-(help|version)' | sort >"$T/entry-forms"
diff "$T/forms" "$T/entry-forms" || fail "the synopsis (<) and entries (>) of $page have other values"
# An option takes one, or none, in --help as well.
assert_equal "options with a value" "$(sed -nE 's/^  --([a-z-]+)=.*/\1/p' <(hydroot-check --help) | sort | xargs)" \
	"$(sed -nE 's/^-([a-z-]+) Ns = .*/\1/p' "$T/forms" | xargs)"
