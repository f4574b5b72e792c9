#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# META says what the tree is, the same from a directory and from an ext4; `build` warns of what nodes
# should not share; --meta is merged.
# shellcheck source=tests/imagelib.sh
. "$(dirname "$0")/../imagelib.sh"

command -v jq >/dev/null || {
	echo "skipped: needs jq"
	exit 77
}

meta() { "$tool" info --json "$1" | jq -cS ".meta$2"; }
# The first bytes of a program for a machine: ELF of 64 bits, little-endian.
# shellcheck disable=SC2059 # the format is the bytes
elf() { printf '\177ELF\002\001\001\0\0\0\0\0\0\0\0\0\002\0'"$1"'\001\0\0\0'; }

tree=$tmp/tree
mkdir -p "$tree/usr/bin" "$tree/usr/lib/modules/6.1.0-9-amd64/kernel" "$tree/etc/ssh" \
	"$tree/usr/lib/modules/6.12.3" "$tree/usr/lib/modules/5.10-left" \
	"$tree/var/lib/systemd"
ln -s usr/bin "$tree/bin"
ln -s /usr/lib "$tree/lib"
elf '\267\0' >"$tree/usr/bin/dash"
ln -s dash "$tree/usr/bin/sh"
: >"$tree/usr/lib/modules/6.12.3/modules.dep"
cat >"$tree/usr/lib/os-release" <<-'END'
	# a comment
	ID=debian
	PRETTY_NAME="Debian \"12\""
	lower=no
END
ln -s ../usr/lib/os-release "$tree/etc/os-release"
: >"$tree/etc/machine-id"
want='"aarch64"["6.1.0-9-amd64","6.12.3"]{"ID":"debian","PRETTY_NAME":"Debian \"12\""}'

check() { # WHAT IMAGE
	got=$(meta "$2" .architecture)$(meta "$2" .kernels)$(meta "$2" .os_release)
	[ "$got" = "$want" ] || fail "$1: $got"
}

"$tool" build "$tree" "$tmp/dir.hri" 2>"$tmp/err"
check directory "$tmp/dir.hri"
[ ! -s "$tmp/err" ] || fail "a clean tree: $(cat "$tmp/err")"
zstd -dcq "$tmp/dir.hri" >"$tmp/ext4"
if command -v debugfs >/dev/null || [ -x /usr/sbin/debugfs ]; then
	"$tool" build "$tmp/ext4" "$tmp/ext4.hri" 2>"$tmp/err"
	check ext4 "$tmp/ext4.hri"
	[ ! -s "$tmp/err" ] || fail "a clean ext4: $(cat "$tmp/err")"
	cmp "$tmp/dir.hri" "$tmp/ext4.hri" || fail "a directory and its ext4 give different images"
fi

# The user's words, over and above.
echo '{"name": "n", "architecture": "riscv64", "a": 1}' >"$tmp/meta"
"$tool" build --meta="$tmp/meta" "$tree" "$tmp/x.hri"
[ "$(meta "$tmp/x.hri" .architecture)$(meta "$tmp/x.hri" .annotations)" = '"riscv64"{"a":1}' ] ||
	fail "--meta: $(meta "$tmp/x.hri" '')"
"$tool" info "$tmp/x.hri" | grep -q '^meta: .*"kernels":\["6.1.0-9-amd64"' || fail "info"
echo '{"architecture": "x y"}' >"$tmp/meta"
expect 1 'architecture.* is not a name' "$tool" build --meta="$tmp/meta" "$tree" "$tmp/y.hri"

# What nodes should not share, each named.
echo 0123456789abcdef0123456789abcdef >"$tree/etc/machine-id"
echo secret >"$tree/etc/ssh/ssh_host_ed25519_key"
echo public >"$tree/etc/ssh/ssh_host_ed25519_key.pub"
mkdir -p "$tree/var/lib/dbus" "$tree/var/lib/urandom" "$tree/var/lib/seedrng" "$tree/boot/loader"
echo fedcba9876543210fedcba9876543210 >"$tree/var/lib/dbus/machine-id"
for seed in var/lib/systemd/random-seed var/lib/urandom/random-seed var/lib/seedrng/seed.credit \
	boot/loader/random-seed; do
	head -c 512 /dev/zero >"$tree/$seed"
done
cat >"$tree/etc/fstab" <<-'END'
	# UUID=0 /comment ext4 defaults
	UUID=1234 / ext4 defaults 0 1
	/swapfile none swap sw 0 0
	tmpfs /tmp tmpfs defaults
	server:/home /home nfs defaults
	/dev/sr0 /media iso9660 ro,noauto
	LABEL=data /data xfs
END
rm -r "$tree/usr/lib/modules"
warnings() {
	for text in '/etc/machine-id is filled' '/etc/ssh/ssh_host_ed25519_key: ' \
		'/var/lib/systemd/random-seed: ' '/var/lib/urandom/random-seed: ' \
		'/var/lib/seedrng/seed.credit: ' '/boot/loader/random-seed: ' \
		'/var/lib/dbus/machine-id is filled' 'fstab line 2: UUID=1234 on / is' \
		'fstab line 3: swap on /swapfile' 'fstab line 7: LABEL=data on /data' \
		'/lib/modules has no kernel'; do
		grep -q "warning: .*$text" "$tmp/err" || fail "$1: no '$text' in $(cat "$tmp/err")"
	done
	[ "$(grep -vc 'not run as root' "$tmp/err")" = 11 ] || fail "$1: $(cat "$tmp/err")"
}
expect 0 '' "$tool" build "$tree" "$tmp/w.hri"
warnings directory
zstd -dcq "$tmp/w.hri" >"$tmp/ext4"
if command -v debugfs >/dev/null || [ -x /usr/sbin/debugfs ]; then
	expect 0 '' "$tool" build "$tmp/ext4" "$tmp/v.hri"
	warnings ext4
fi

# A link that leads out of the tree leads to nowhere.
rm "$tree/etc/os-release" "$tree/usr/lib/os-release" "$tree/usr/bin/sh"
ln -s ../../../../../../../../etc/os-release "$tree/usr/lib/os-release"
ln -s /bin/bash "$tree/usr/bin/sh"
"$tool" build "$tree" "$tmp/u.hri" 2>/dev/null
[ "$(meta "$tmp/u.hri" .os_release)$(meta "$tmp/u.hri" .architecture)" = nullnull ] ||
	fail "the build host shows: $(meta "$tmp/u.hri" '')"
