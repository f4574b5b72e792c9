#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# what `make install` and the targets beside it install is what the Debian and the RPM packages have, each file in one
# package; modes do not hang on the umask; `make uninstall` leaves nothing of it
. "$(dirname "$0")/../lib.sh"
unset MAKEFLAGS MAKEOVERRIDES

# What is built is built already.
make_in() # DIR TARGET...
{
	(umask 077 && make -s -o all BUILD="$BUILD" PREFIX=/usr DESTDIR="$1" "${@:2}") || fail "make ${*:2}"
}
files_of() { (cd "$1" && find . ! -type d | sed 's|^\./||' | sort); }

packaged=(install install-initramfs-tools install-dracut)
make_in "$T/root" "${packaged[@]}"
files_of "$T/root" >"$T/files"
assert "something is installed" test "$(wc -l <"$T/files")" -gt 40

# --- modes ----------------------------------------------------------------------------------------

make_in "$T/all" "${packaged[@]}" install-mkinitcpio
assert_equal "modes" '644 755' "$(find "$T/all" -type f -printf '%m\n' | sort -u | xargs)"
assert_equal "modes of folders" 755 "$(find "$T/all" -mindepth 1 -type d -printf '%m\n' | sort -u)"
# Those of mkinitcpio are sourced and have that line all the same, as its own.
(cd "$T/all" && find . -type f ! -path ./usr/lib/initcpio/\* -exec sh -c '
	for file do
		case $(head -c 4 "$file" | tr -d "\0") in "#!"* | ?ELF) want=755 ;; *) want=644 ;; esac
		[ "$(stat -c %a "$file")" = $want ] || echo "$file: is not $want"
	done' sh {} +) >"$T/wrong"
assert_equal "programs and scripts can be run, and nothing else" '' "$(cat "$T/wrong")"

# --- without what debuggers read ------------------------------------------------------------------

make_in "$T/plain" install
make_in "$T/stripped" install-strip
assert_equal "files" "$(files_of "$T/plain")" "$(files_of "$T/stripped")"
for program in bin/hydroot-image sbin/hydrootd sbin/hydroot sbin/hydroot-check; do
	assert "$program has symbols" grep -q '\.symtab' "$T/plain/usr/$program"
	refute "$program has symbols" grep -q '\.symtab' "$T/stripped/usr/$program"
done

# --- what the packages have -----------------------------------------------------------------------

# PACKAGE PATH: files and folders, without the first /
in_debian()
{
	local list
	for list in debian/*.install; do
		awk -v package="$(basename "$list" .install)" '{
			path = $1
			if (NF > 1) { sub(".*/", "", path); path = $2 "/" path }
			print package, path }' "$list"
	done
}

in_rpm()
{
	sed -n '/^%files/,/^%changelog/ {
			s/^%files *\(.*\)/package \1/p
			s/^%config(noreplace) //
			s|%{_prefix}|/usr|; s|%{_datadir}|/usr/share|; s|%{_mandir}|/usr/share/man|
			s|%{_bindir}|/usr/bin|; s|%{_sbindir}|/usr/sbin|; s|%{_sysconfdir}|/etc|
			s|%{_modprobedir}|/usr/lib/modprobe.d|; s|%{_unitdir}|/usr/lib/systemd/system|
			s|%{_udevrulesdir}|/usr/lib/udev/rules.d|
			/^\//p
		}' initramfs/rpm/hydroot.spec |
		awk '$1 == "package" { package = "hydroot" ($2 ? "-" $2 : ""); next } { print package, substr($0, 2) }'
}

# Each file is in one package, and each line of a package stands for a file.
covers() # WHAT LIST
{
	awk -v what="$1" '
		function glob(path) { gsub(/[.+]/, "\\\\&", path); gsub(/\*/, "[^/]*", path); return "^" path "(/.*)?$" }
		NR == FNR { package[FNR] = $1; path[FNR] = $2; n = FNR; next }
		{
			found = ""
			for (i = 1; i <= n; i++)
				if ($0 ~ glob(path[i])) { found = found " " package[i]; used[i] = 1 }
			if (split(found, _) != 1) print what ": " $0 ": in" (found ? found : " no package")
		}
		END { for (i = 1; i <= n; i++) if (!used[i]) print what ": " package[i] ": nothing installs " path[i] }
	' "$2" "$3"
}

in_debian >"$T/debian"
in_rpm >"$T/rpm"
for packages in debian rpm; do
	assert_equal "who has the example" 'hydroot etc/hydroot/hydroot.conf' "$(grep ' etc/' "$T/$packages")"
	sed -i '/ etc\//d' "$T/$packages"
done
{
	covers Debian "$T/debian" "$T/files"
	grep -v initramfs-tools/ "$T/files" >"$T/files.rpm"
	covers RPM "$T/rpm" "$T/files.rpm"
} >"$T/wrong"
assert_equal "files and packages" '' "$(cat "$T/wrong")"

# --- mkinitcpio, which no package here has, and the way back ----------------------------------------

share=usr/share/hydroot/initramfs/mkinitcpio
assert_equal "what install-mkinitcpio adds" "usr/lib/initcpio/hooks/hydroot usr/lib/initcpio/install/hydroot \
$share/boot-mkinitcpio.sh $share/hydroot-root.service" "$(files_of "$T/all" | comm -13 "$T/files" - | xargs)"

# Others have files in the same folders.
touch "$T/all/usr/sbin/other" "$T/all/usr/share/initramfs-tools/hooks/other"
make_in "$T/all" uninstall
assert_equal "what is left" 'usr/sbin/other usr/share/initramfs-tools/hooks/other' "$(files_of "$T/all" | xargs)"
assert_equal "folders that are left" '' "$(find "$T/all" -name '*hydroot*')"
make_in "$T/all" uninstall
