#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
#
# lint.sh - what a tool can judge without taste; prints one line per miss
#
# Each check is a function that prints its misses, FILE: WHAT.  Run by `make lint`.

# shellcheck disable=SC2317 # the checks are called by their names
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C
misses=$(mktemp) || exit 1
trap 'rm -f "$misses"' EXIT

files() # NAME-PATTERN... : files of the project, without what was built
{
	local pattern args=()
	for pattern in "$@"; do args+=(-o -name "$pattern"); done
	find . -path ./.git -prune -o -path './build*' -prune -o -path ./tests/fixtures -prune -o \
		-type f \( "${args[@]:1}" \) -print | sed 's|^\./||' | sort
}

scripts() # SHELL-PATTERN: scripts by name or first line
{
	{ files '*.sh' '*.hook' hydroot; grep -rIlE --exclude-dir=.git --exclude-dir='build*' \
		--exclude-dir=fixtures '^#!/(usr/)?bin/(env )?(ba)?sh' . | sed 's|^\./||'; } | sort -u
}

code_without_comments() { cc -fpreprocessed -E -P -w "$1" 2>/dev/null; }

check_spdx()
{
	{ files '*.[ch]' '*.mk' Makefile '*.[1-8]' '*.rules' '*.list'; scripts; } | sort -u |
		while read -r f; do
			head -n 5 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
				echo "$f: no SPDX line at the top"
		done
}

# imgfmt <- fuse-root: base <- {map, source, store} <- engine <- face <- {ctl, what lies in fuse-root itself}
check_includes()
{
	grep -nE '^#include "(fuse-root/|\.\./|(base|map|source|store|engine|face)/)' \
		imgfmt/*.[ch] imgfmt/tool/*.[ch] 2>/dev/null | sed 's/$/   (upward include)/'
	upward base 'map|source|store|engine|face|ctl'
	upward map 'source|store|engine|face|ctl'
	upward source 'map|store|engine|face|ctl'
	upward store 'map|source|engine|face|ctl'
	upward engine 'face|ctl'
	upward face ctl
	upward ctl 'map|source|engine'
	# imgfmt's inner headers are its own.
	grep -rnE '^#include "imgfmt/' fuse-root kmod-hints --include='*.[ch]' |
		grep -vE '"imgfmt/(imgfmt|base)\.h"' | sed 's/$/   (inner header of imgfmt)/'
}

upward() # FOLDER FORBIDDEN
{
	grep -rnE "^#include \"($2)/" "fuse-root/$1" --include='*.[ch]' 2>/dev/null |
		sed 's/$/   (upward include)/'
}

check_symbols()
{
	local lib=${BUILD:-build}/libimgfmt.a
	[ -e "$lib" ] || make --no-print-directory "$lib" >/dev/null 2>&1 || return
	nm -g --defined-only "$lib" | awk 'NF == 3 && $3 !~ /^img_/ { print $3 }' | sort -u |
		sed "s|^|$(basename "$lib"): symbol without img_: |"
}

# The library: no threads, no printing.
check_library()
{
	for f in imgfmt/*.c imgfmt/*.h; do
		[ -e "$f" ] || continue
		code_without_comments "$f" |
			grep -oE '\b(pthread_[a-z_]+|v?f?printf|puts|perror|syslog|exit|abort)[[:space:]]*\(' |
			sort -u | sed "s|^|$f: not in the library: |"
	done
}

check_banned()
{
	files '*.c' '*.h' | while read -r f; do
		code_without_comments "$f" |
			grep -oE '\b(strcpy|strcat|v?sprintf|gets|ato[ifl]|atoll|strtok|system|popen|alloca|tmpnam|mktemp)[[:space:]]*\(' |
			sort -u | sed "s|^|$f: banned: |"
	done
}

check_headers()
{
	local flags
	flags=$(make -s --no-print-directory print-cppflags)
	files '*.h' | while read -r f; do
		# shellcheck disable=SC2086 # a list of flags
		cc -fsyntax-only -x c -std=gnu11 $flags "$f" 2>&1 |
			grep -E 'error' | head -n 3 | sed 's/$/   (does not compile alone)/'
	done
}

check_shell()
{
	command -v shellcheck >/dev/null || { echo "shellcheck: not installed"; return; }
	scripts | grep -v '^tests/' | xargs -r -P 2 -n 8 shellcheck -x -P "SCRIPTDIR:." -f gcc 2>&1
	# SC2016: the tests' scripts for guests are quoted on purpose.
	scripts | grep '^tests/' | xargs -r -P 2 -n 8 shellcheck -x -P "SCRIPTDIR:." -e SC2016 -f gcc 2>&1
}

check_man()
{
	command -v mandoc >/dev/null || { echo "mandoc: not installed"; return; }
	files '*.[1-8]' | xargs -r mandoc -T lint -W warning 2>&1 | grep -v 'outdated mandoc.db'
}

# A path in backquotes, or a link, must lead to a file.
check_docs()
{
	files '*.md' | while read -r f; do
		{
			grep -oE '`(\./)?(fuse-root|imgfmt|initramfs|kmod-hints|tests|\.ci)/[A-Za-z0-9_./-]+`' "$f" |
				tr -d '`'
			grep -oE '\]\([A-Za-z0-9_./-]+[)#]' "$f" | sed 's/^](//; s/[)#]$//' |
				grep -v '^http' | sed "s|^|$(dirname "$f")/|"
		} | sort -u | while read -r path; do
			[ -e "$path" ] || echo "$f: names $path, which is not there"
		done
	done
}

check_space()
{
	{ files '*.[ch]' '*.sh' '*.mk' '*.md' Makefile '*.[1-8]'; scripts; } | sort -u |
		xargs -r grep -nE '[[:space:]]+$' /dev/null | sed 's/$/   (space at the end)/'
}

# clang-format keeps code to 90 columns and leaves comments alone.  Strings are not broken.
check_width()
{
	files '*.[ch]' | while read -r f; do
		expand -t 8 "$f" | awk -v f="$f" 'length($0) > 100 && !/"/ && !/─/ { print f ":" NR ": wider than 100 columns" }'
	done
}

# Who needs a lock says so first, in every build.
check_locked()
{
	files '*.c' | grep '^fuse-root/' | while read -r f; do
		awk -v f="$f" '
			/^[a-z].*[a-z_]+_locked\(/ { name = $0; has = 0 }
			/^\t.*lock_assert_held\(/ { has = 1 }
			/^}/ { if (name != "" && !has) print f ": without lock_assert_held: " name; name = "" }' "$f"
	done
}

# Formatting differs between versions: only the one that the project uses counts.
check_format()
{
	local tool=clang-format-14
	command -v "$tool" >/dev/null || return 0
	files '*.c' '*.h' | xargs -r "$tool" --dry-run 2>&1 | grep -E '^[^ ]+:[0-9]+:' |
		sed 's/: warning: .*//' | awk -F: '!seen[$1]++ { print $0 ": not formatted: make format" }'
}

failed=0
for check in spdx includes symbols library banned headers shell man docs space width locked format; do
	"check_$check" >"$misses" 2>&1
	if [ -s "$misses" ]; then
		echo "lint $check: $(wc -l <"$misses")"
		sed 's/^/  /' "$misses"
		failed=1
	fi
done
exit $failed
