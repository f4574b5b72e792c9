#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# In a boot the key that lies in the initramfs, /etc/hydroot/image.pub, is asked for without being named: an image
# that it has not signed is refused, one that it has is attached, and the command line cannot name another.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq unshare hydrootd

# With an /etc of its own, as the initramfs has one.
if [ -z "${HYDROOT_INSIDE-}" ]; then
	[ ! -e /dev/hydroot/root ] || skip "the name root is taken"
	unshare --mount true 2>/dev/null || skip "needs mount namespaces"
	HYDROOT_INSIDE=1 unshare --mount "$0" || exit
	exit 0
fi
mount --make-rprivate /
cp -a /etc "$T/etc"
mount --bind "$T/etc" /etc
defer umount /etc
rm -rf /etc/hydroot
mkdir /etc/hydroot "$T/www"
export HYDROOT_RUN_DIR=$T/run
head -c 3000000 /dev/urandom >"$T/fs"
for key in image other; do hydroot-image keygen "$T/$key"; done
hydroot-image build "$T/fs" "$T/www/unsigned.hri" 2>/dev/null
hydroot-image build --key="$T/image.key" "$T/fs" "$T/www/signed.hri" 2>/dev/null
hydroot-image build --key="$T/other.key" "$T/fs" "$T/www/other.hri" 2>/dev/null
start_nginx web "$T/www"

boot() # FILE WORD...: as the initramfs calls the daemon
{
	echo "root=hydroot:$(nginx_url web "$1") rd.hydroot.fill=manual ${*:2}" >"$T/cmdline"
	hydrootd --boot --cmdline="$T/cmdline"
}
refused() # PATTERN FILE WORD...
{
	if boot "${@:2}" >"$T/out" 2>&1; then
		hydroot detach root
		fail "attached: ${*:2}"
	fi
	assert_contains "${*:2}" "$1" "$T/out"
	refute "a device is left" test -e /dev/hydroot/root
}
defer hydroot detach root
attached() # FILE
{
	boot "$1" >"$T/out" 2>&1 || { cat "$T/out"; fail "not attached: $1"; }
	assert "the bytes of $1" cmp -n 3000000 "$T/fs" /dev/hydroot/root
	hydroot status root --json | jq -r '.warnings[]' >"$T/warnings"
	hydroot detach root
}

note "without a key: anything, and it is said"
attached unsigned.hri
assert_contains "on the console" 'image: not authenticated: ' "$T/out"
assert_contains "in the status" '^image: not authenticated: ' "$T/warnings"

note "with one"
cp "$T/image.pub" /etc/hydroot/image.pub
refused 'HEAD: refused: the image is not signed' unsigned.hri
refused 'HEAD: refused: no signature.* key id [0-9a-f]{16}; signed by [0-9a-f]{16}' other.hri
attached signed.hri
refute "a warning about trust on the console" grep -q 'not authenticated' "$T/out"
refute "a warning about trust in the status" grep -q 'not authenticated' "$T/warnings"

note "the command line"
cp "$T/other.pub" /etc/hydroot/other.pub
refused 'rd.hydroot.public-key=.*: cannot weaken' other.hri rd.hydroot.public-key=/etc/hydroot/other.pub
refused 'rd.hydroot.public-key=.*: ' unsigned.hri rd.hydroot.public-key=

note "what is there and is no key"
echo nonsense >/etc/hydroot/image.pub
refused 'public-key /etc/hydroot/image.pub: ' signed.hri
