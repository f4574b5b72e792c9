#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-image COMMAND --help, and in hydroot-image(1) the synopsis and the section of that command, have the same
# options, with the same placeholders and defaults; commands are the same, too.
. "$(dirname "$0")/../lib.sh"
page=imgfmt/hydroot-image.1

expect_exit 0 hydroot-image --help
sed -nE 's/^  ([a-z]+) .*/\1/p' "$T/out" | sort >"$T/commands"
grep -qx build "$T/commands" || fail "hydroot-image --help lists no commands"
sed -n 's/^\.Ss //p' "$page" | sort | grep -xFf "$T/commands" >"$T/sections" || true
diff "$T/commands" "$T/sections" || fail "commands of --help (<) and sections of $page (>) are not the same"
# A synopsis of a command goes from its name to the next one's, and a command may have two.
awk '/^\.Sh/ { on = $2 == "SYNOPSIS" } on && /^\.Cm/ { print $2 }' "$page" | sort -u >"$T/synopses"
diff "$T/commands" "$T/synopses" || fail "commands of --help (<) and synopses of $page (>) are not the same"

# Lines of one command's section, or of its synopses.
section() { awk -v name="$1" '/^\.(Ss|Sh)/ { on = $1 == ".Ss" && $2 == name } on' "$page"; }
synopsis()
{
	awk -v name="$1" '/^\.Sh/ { in_synopsis = $2 == "SYNOPSIS" } /^\.Nm/ { on = 0 }
		in_synopsis && $1 == ".Cm" { on = $2 == name } in_synopsis && on' "$page"
}
# "-level Ns = Ns Ar n" as "level=N"
plain() { sed -E 's/^-//; s/ ?\<(Ns|Ar|Cm)\> ?//g; s/ //g' | tr '[:lower:]' '[:upper:]'; }
# The entry of an option, from its own line to the next one.
entry() { section "$1" | awk -v option="-$2" '/^\.(It|El)/ { on = $2 == "Fl" && $3 == option } on'; }

while read -r command; do
	expect_exit 0 hydroot-image "$command" --help
	sed -nE 's/^  --([^ ]+) .*/\1/p' "$T/out" | tr '[:lower:]' '[:upper:]' | sort >"$T/help"
	section "$command" | sed -nE 's/^\.It Fl //p' | plain | sort >"$T/entries"
	diff "$T/help" "$T/entries" ||
		fail "options of '$command --help' (<) and of its section in $page (>) are not the same"
	synopsis "$command" | sed -nE 's/^\.(Op )?Fl -([a-z-]+).*/\2/p' | tr '[:lower:]' '[:upper:]' | sort >"$T/synopsis"
	diff <(sed 's/=.*//' "$T/help" | sort) "$T/synopsis" ||
		fail "options of '$command --help' (<) and of its synopsis in $page (>) are not the same"
	# Those that the usage line names are options.
	head -n 5 "$T/out" | grep -oE -- '--[a-z-]+' | sed 's/^--//' | tr '[:lower:]' '[:upper:]' |
		grep -vxFf <(sed 's/=.*//' "$T/help") >"$T/unknown" || true
	[ ! -s "$T/unknown" ] || fail "'$command --help' names what it does not list: $(xargs <"$T/unknown")"
	sed -nE 's/^  --([a-z-]+).*[; ]default:? ([^ ]+)$/\1 \2/p' "$T/out" >"$T/defaults"
	while read -r option default; do
		entry "$command" "$option" | grep -qwF -e "$default" ||
			fail "$page: $command: --$option: does not name the default, $default"
	done <"$T/defaults"
	cat "$T/help" "$T/defaults" >>"$T/all"
done <"$T/commands"
# It would find nothing if the forms changed.
for some in LEVEL=N 'DIGEST=SHA256:HEX' 'PARTITION=N|AUTO' ANY-CONTENT 'level 6' 'chunk-size 512K'; do
	assert "among what was compared: $some" grep -qxF "$some" "$T/all"
done
