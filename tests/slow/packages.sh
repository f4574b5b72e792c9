#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
#
# the Debian packages are built from debian/ offline and lintian warns of nothing in them; the RPM
# packages are built from the spec; both have the files that make an initramfs
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/debs.sh
. "$TOP/tests/debs.sh"
requires dpkg-buildpackage dh lintian rpmbuild

assert_equal "version in debian/changelog" "$version" "$(dpkg-parsechangelog -S Version)"
assert_equal "version in the spec" "$version" \
	"$(sed -n 's/^Version: *//p' initramfs/rpm/hydroot.spec)"

has() # PACKAGE LIST PATH...
{
	local path
	for path in "${@:3}"; do
		assert "$1 has $path" grep -qE "^\.?/?${path#/}$" "$2"
	done
}

in_deb() # PACKAGE PATH...
{
	dpkg-deb -c "$debs/$1"_*.deb | awk '{ print $6 }' >"$T/$1.list"
	has "$1" "$T/$1.list" "${@:2}"
}

evidence+=("$T/lintian.log" "$T/rpm.log")
make_debs
note "Debian packages are built"

share=/usr/share/hydroot
in_deb hydroot /usr/sbin/hydrootd /usr/sbin/hydroot /usr/sbin/hydroot-check \
	/usr/sbin/hydroot-mkinitramfs $share/modules.list $share/lists.sh $share/initramfs/lib.sh \
	$share/initramfs/build.sh /etc/hydroot/hydroot.conf /usr/lib/modprobe.d/hydroot.conf \
	/usr/share/man/man7/hydroot.cmdline.7.gz /usr/share/man/man5/hydroot.conf.5.gz \
	/usr/share/doc/hydroot/README.initramfs.md.gz
in_deb hydroot-image /usr/bin/hydroot-image
in_deb hydroot-initramfs /usr/share/initramfs-tools/hooks/hydroot
in_deb hydroot-dracut /usr/lib/dracut/modules.d/50hydroot/module-setup.sh
for package in hydroot hydroot-initramfs hydroot-dracut; do
	dpkg-deb -I "$debs/$package"_*.deb triggers >"$T/triggers"
	assert_equal "triggers of $package" "activate-noawait update-initramfs" \
		"$(grep -v '^#' "$T/triggers")"
done
assert_equal "conffiles" /etc/hydroot/hydroot.conf "$(dpkg-deb -I "$debs"/hydroot_*.deb conffiles)"

# An example that changes nothing.
dpkg-deb -x "$debs"/hydroot_*.deb "$T/root"
assert "the example is no configuration" "$T/root/usr/sbin/hydrootd" --print-config \
	--cmdline=/dev/null --conf="$T/root/etc/hydroot/hydroot.conf" >"$T/with" 2>"$T/said"
hydrootd --print-config --cmdline=/dev/null --conf=/dev/null >"$T/without"
assert "the example sets nothing" cmp "$T/with" "$T/without"
assert_equal "messages about the example" "" "$(cat "$T/said")"

timeout 300 lintian --allow-root --fail-on error,warning "$debs"/hydroot_*.changes >"$T/lintian.log" 2>&1 ||
	fail "lintian finds faults: $(grep "^[EW]:" "$T/lintian.log")"
note "lintian: nothing to warn of"

# Those that are the same for all architectures can be built alone, as archives do.
copy_source "$T/indep/hydroot-$version"
evidence+=("$T/indep.log")
(cd "$T/indep/hydroot-$version" && DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" MAKEFLAGS='' \
	timeout 500 "${no_network[@]}" dpkg-buildpackage -us -uc -A) >"$T/indep.log" 2>&1 || fail "dpkg-buildpackage -A"
assert_equal "packages of all architectures" "hydroot-dracut hydroot-initramfs" \
	"$(cd "$T/indep" && printf '%s\n' *.deb | sed 's/_.*//' | xargs)"
rm -rf "$T/indep"
note "those for all architectures are built alone, too"

mkdir -p "$T/rpm/SOURCES"
copy_source "$T/hydroot-$version"
rm -r "$T/hydroot-$version/debian"
tar -C "$T" -czf "$T/rpm/SOURCES/hydroot-$version.tar.gz" "hydroot-$version"
# The packages that the spec asks for have other names here.
MAKEFLAGS='' timeout 500 "${no_network[@]}" rpmbuild -bb --nodeps --define "_topdir $T/rpm" \
	initramfs/rpm/hydroot.spec >"$T/rpm.log" 2>&1 || fail "rpmbuild"
rpm -qlp "$T"/rpm/RPMS/*/*.rpm >"$T/rpm.list" 2>/dev/null
has "one of the RPM packages" "$T/rpm.list" /usr/sbin/hydrootd /usr/bin/hydroot-image \
	/usr/lib/dracut/modules.d/50hydroot/module-setup.sh $share/lists.sh \
	/etc/hydroot/hydroot.conf
assert_equal "RPM packages" 3 "$(find "$T/rpm/RPMS" -name '*.rpm' | wc -l)"
assert_equal "what the RPM packages recommend" "busybox ca-certificates cpio zstd; busybox ca-certificates; e2fsprogs" \
	"$(for package in hydroot hydroot-dracut hydroot-image; do
		rpm -qp --recommends "$T"/rpm/RPMS/*/"$package-$version"-*.rpm | xargs
	done | paste -sd ';' | sed 's/;/; /g')"
note "RPM packages are built"
