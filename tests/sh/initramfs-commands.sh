#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of each initramfs call is there: every file that is sourced, every function of ours,
# and every command, in the lists that its builder ships
. "$(dirname "$0")/../lib.sh"
requires busybox

cp -r initramfs kmod-hints "$T/"
cp kmod-hints/*.list kmod-hints/lists.sh "$T/"
export HYDROOT_SHARE=$T HYDROOT_CONF=$T/etc
# shellcheck source=initramfs/build.sh
. initramfs/build.sh

# Scripts without comments, here-documents and texts in quotes; one command a line.
code() # FILE...
{
	awk '
	end != "" { line = $0; gsub(/^\t+/, "", line); if (line == end) end = ""; next }
	/^[ \t]*#/ { next }
	match($0, /<<-?['\''"]?[A-Z]+/) {
		end = substr($0, RSTART, RLENGTH); gsub(/[^A-Z]/, "", end)
	}
	{
		gsub(/\\["'\''`$]/, ""); gsub(/'\''[^'\'']*'\''/, "Q")
		# Patterns of case.
		if (match($0, /^[^()]*\)/)) $0 = substr($0, RLENGTH + 1)
		print
	}
	' "$@" | sed -E 's/\$\(\(([^()]|\([^()]*\))*\)\)/0/g; s/"?\$\(/\n/g' |
		sed -E 's/^([^"]*\))"/\1/; s/"[^"]*"/Q/g; s/"[^"]*$//' |
		sed -E 's/\$?\{[a-z_]*[:#%+-][^}]*\}/ /g; s/[a-z_]+=\S* //g; s/&&|\|\||[;|{(!`)]/\n/g' |
		sed -E 's/^[[:space:]]*//; s/^(if|then|else|elif|while|until|do|exec|command|timeout [-A-Z ]*[0-9]+( \$\S+)?|xargs( -[a-z])*) +//' |
		sed -E 's/^(if|then|else|elif|while|until|do|exec|command) +//; s/^timeout [^ ]+ ([a-z])/\1/' |
		grep -oE '^[a-z_][a-z0-9_-]*([ ]|$)' | tr -d ' ' | sort -u
}

# What the shell itself has; a shell there is everywhere.
shell_words='^(break|case|cd|continue|do|done|echo|else|esac|eval|exit|false|fi|for|in|kill|local|printf|read|return|set|sh|shift|test|true|trap|unset|export|wait|source|command|then|type|umask|declare)$'

# check NAME SHIPPED-COMMANDS OTHERS FILE...: OTHERS is a pattern of what the system itself has
check()
{
	local name=$1 shipped=$2 others=$3
	shift 3
	sed -e ':a' -e '/\\$/{N;s/\\\n//;ba}' "$@" >"$T/joined"
	code "$T/joined" >"$T/words"
	grep -ohE '^[[:space:]]*[a-z_0-9]+\(\)' "$@" | tr -d '() \t' | sort -u >"$T/functions"
	# What is asked for by `command -v` may be missing.
	grep -ohE 'command -v [a-z_0-9]+' "$@" | sed 's/.* //' | sort -u >"$T/asked"
	{
		tr ' ' '\n' <<<"$shipped"
		cat "$T/functions" "$T/asked"
	} | sort -u >"$T/known"
	comm -23 "$T/words" "$T/known" | grep -vE "$shell_words" | grep -vxE "$others" >"$T/missing" || true
	assert_equal "$name: called, but not there" "" "$(tr '\n' ' ' <"$T/missing" | sed 's/ $//')"
}

mapfile -t core < <(hb_scripts | sed -n 's|^\([^ ]*\.sh\) .*|\1|p')
for file in boot lib ladder transport report progress handover release nosleep; do
	assert "$file.sh is shipped" grep -qx "$T/initramfs/$file.sh" <(printf '%s\n' "${core[@]}")
done
refute "build.sh is shipped" grep -q 'build\.sh$' <(printf '%s\n' "${core[@]}")
# Every file that is sourced is shipped: by its last name, in one of the lists.
{ hb_scripts; hb_network_scripts; } | sed 's|.*/||' >"$T/files"
# shellcheck disable=SC2013 # names have no blanks
for file in $(sed -nE 's|^[[:space:]]*\. "?(\$hr_lib\|\$scripts\|/lib/hydroot\|/usr/lib/hydroot)/([a-z-]+\.sh)"?$|\2|p' \
	initramfs/*.sh initramfs/*/* initramfs/*/*/* 2>/dev/null | sort -u); do
	case $file in
	dracut.sh) grep -q '/usr/lib/hydroot/dracut.sh' initramfs/dracut/50hydroot/module-setup.sh ;;
	*) grep -qx "$file" "$T/files" ;;
	esac || fail "$file is sourced, but shipped by nobody"
done

# In the root there are systemd and coreutils besides.
root='mv|systemctl|networkctl|nmcli|ifquery|wall|plymouth'
ours='hydrootd|hydroot'
net="$hb_network_commands"
all="$hb_commands"
d=initramfs/dracut/50hydroot
mapfile -t network < <(hb_network_scripts | sed 's/ .*//')
check dracut "$all" "$ours|$root|net_up|getarg|getargbool|emergency_shell|udevadm" "${core[@]}" \
	$d/hydroot-lib.sh $d/hydroot-settled.sh $d/hydroot-timeout.sh $d/hydroot-pivot.sh \
	$d/hydrootroot.sh $d/parse-hydroot.sh
t=initramfs/initramfs-tools/scripts
check initramfs-tools "$all $net" "$ours|$root|panic|configure_networking|run_scripts|wait_for_udev" \
	"${core[@]}" "${network[@]}" $t/hydroot $t/init-premount/hydroot
check mkinitcpio "$all $net" "$ours|$root|udevadm" "${core[@]}" "${network[@]}" \
	initramfs/mkinitcpio/boot-mkinitcpio.sh initramfs/mkinitcpio/hooks/hydroot
applets=$(sed -n '/^applets="/,/"$/p' initramfs/standalone/hydroot-mkinitramfs |
	sed 's/^applets="//; s/"$//' | tr '\n' ' ')
check standalone "$applets" "$ours|$root" "${core[@]}" "${network[@]}" initramfs/standalone/init

# The check itself finds what is missing.
cat >"$T/bad.sh" <<'END'
f()
{
	if x=$(awk -f y) && hr_nowhere; then
		echo "$(stat z)" | mktemp
	fi
}
END
(check bad "$all" none "$T/bad.sh") >"$T/out" 2>&1 || true
for word in awk hr_nowhere stat mktemp; do
	assert_contains "it finds $word" "$word" "$T/out"
done
