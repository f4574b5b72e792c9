#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The adapters install where the distributions' builders look, with the places of the installation
# written in, and replace nothing; mkinitcpio's hooks call its functions as documented.

set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "initramfs-adapters: $*" >&2; exit 1; }

make -s install install-initramfs-tools install-dracut install-mkinitcpio DESTDIR="$tmp/d" \
	PREFIX=/opt/hr BUILD="${BUILD:-build}" >/dev/null
for f in usr/share/initramfs-tools/hooks/hydroot usr/share/initramfs-tools/scripts/hydroot \
	usr/share/initramfs-tools/scripts/init-premount/hydroot \
	usr/share/initramfs-tools/conf-hooks.d/hydroot \
	usr/lib/dracut/modules.d/50hydroot/module-setup.sh usr/lib/dracut/dracut.conf.d/50-hydroot.conf \
	usr/lib/initcpio/install/hydroot usr/lib/initcpio/hooks/hydroot; do
	[ -f "$tmp/d/$f" ] || fail "/$f is not installed"
done
if grep -rn '@DATADIR@' "$tmp/d"; then fail "a place is not written in"; fi
for f in hooks/hydroot scripts/init-premount/hydroot; do
	[ -x "$tmp/d/usr/share/initramfs-tools/$f" ] || fail "$f: not executable"
	"$tmp/d/usr/share/initramfs-tools/$f" prereqs >/dev/null || fail "$f: prereqs"
done

# The lists, as every builder reads them.
export HYDROOT_SHARE=$tmp/d/opt/hr/share/hydroot HYDROOT_CONF=$tmp/etc
mkdir -p "$tmp/etc"
printf 'ca=%s\n' "$tmp/own-ca.pem" >"$tmp/etc/hydroot.conf"
echo certificate >"$tmp/own-ca.pem"
echo secret >"$tmp/etc/credentials"
# shellcheck source=initramfs/build.sh
. "$HYDROOT_SHARE/initramfs/build.sh"
hb_configuration 2>/dev/null >"$tmp/conf"
for f in "$tmp/etc/hydroot.conf" "$tmp/etc/credentials" "$tmp/own-ca.pem"; do
	grep -qx "$f" "$tmp/conf" || fail "$f does not come into the initramfs: $(cat "$tmp/conf")"
done
chmod 644 "$tmp/etc"/* "$tmp/own-ca.pem"
if hb_has_secrets; then fail "secrets are seen where there are none"; fi
chmod 600 "$tmp/etc/credentials"
hb_has_secrets || fail "a secret is not seen"

# initramfs-tools is told so by the conf-hook, wherever the secret lies: by its mode, or by what it is for.
umask_of_mkinitramfs()
{
	(
		UMASK=
		# shellcheck source=initramfs/initramfs-tools/conf-hooks.d/hydroot
		. "$tmp/d/usr/share/initramfs-tools/conf-hooks.d/hydroot"
		echo "${UMASK:-none} $BUSYBOX"
	)
}
umasks() { [ "$(umask_of_mkinitramfs)" = "$1 y" ] || fail "$2: UMASK is $(umask_of_mkinitramfs)"; }
umasks 0077 "a secret in /etc/hydroot"
rm "$tmp/etc/credentials"
umasks none "no secret"
echo key >"$tmp/private.pem"
chmod 600 "$tmp/private.pem"
echo "cert-key=$tmp/private.pem" >>"$tmp/etc/hydroot.conf"
umasks 0077 "a key that only its owner may read, elsewhere"
chmod 644 "$tmp/private.pem"
umasks 0077 "a key that everybody may read"
rm "$tmp/private.pem"
printf 'ca=%s\n' "$tmp/own-ca.pem" >"$tmp/etc/hydroot.conf"
umasks none "a certificate"
hb_modules_to_load | grep -qx fuse || fail "fuse is not loaded"
hb_modules_to_load | grep -qx ext4 && fail "ext4 is loaded at once"
hb_modules | grep -qx class:net || fail "no network drivers"
if hb_modules | grep -q '^nfs'; then fail "NFS in every initramfs"; fi
for line in url=nfs://h/d/i.hri server=nfs://h/d/i.hri 'fallback=nfs://h/d/i.hri'; do
	printf '%s\n' url=http://h/i.hri "$line" >"$tmp/etc/hydroot.conf"
	[ "$(hb_modules | grep ^nfs | xargs)" = "nfs nfsv4 nfsv3" ] || fail "no NFS for $line"
done
printf 'ca=%s\n' "$tmp/own-ca.pem" >"$tmp/etc/hydroot.conf"
hb_module_options | grep -qx 'options loop hw_queue_depth=1024' || fail "loop's option is missing"
hb_programs >"$tmp/programs"
grep -qx ".*/sbin/hydrootd /usr/sbin/hydrootd" "$tmp/programs" || fail "$(cat "$tmp/programs")"

mkdir "$tmp/bin"
printf '#!/bin/sh\nprintf "%%s\\n" modprobe nc sed udhcpc\n' >"$tmp/bin/busybox"
chmod 755 "$tmp/bin/busybox"
# mkinitcpio's functions, as those of v41 behave: what an add_* function cannot do is counted, and mkinitcpio fails for
# it; what `build` returns and what `error` says is not.  A module with a ? may be missing.
# shellcheck disable=SC2317,SC2034 # called and read by what is sourced
mkinitcpio() # HOOK...
{
	(
		BUILDROOT=$tmp/m KERNELVERSION=none HOOKS=("$@" hydroot)
		_d_kmoduledir=$(echo "$PWD"/tests/fixtures/roots/6.1-debian/lib/modules/*)
		export BUILDROOT KERNELVERSION
		rm -rf "$tmp/m" "$tmp/calls" "$tmp/counted"
		mkdir -p "$tmp/m/usr/bin"
		add_call() { echo "$*" >>"$tmp/calls"; }
		miss() { echo "$*" >>"$tmp/counted"; return 1; }
		add_binary()
		{
			local path=$1
			[ "$1" != "${lacks-}" ] || miss "add_binary $*" || return
			[[ $1 = /* ]] || path=$(type -P "$1") || miss "add_binary $*" || return
			[ -f "$path" ] || miss "add_binary $*" || return
			add_call binary "$path" "${@:2}"
		}
		add_file() { [ -f "$1" ] || miss "add_file $*" || return; add_call file "$@"; }
		add_dir() { mkdir -p "$BUILDROOT$1"; }
		add_symlink() { add_call link "$@"; }
		add_module()
		{
			case $1 in
			nls_ascii\? | xhci_plat_hcd\?) ;;
			nls_ascii | xhci_plat_hcd) miss "add_module $*" ;;
			*) add_call module "${1%\?}" ;;
			esac
		}
		add_all_modules() { miss "add_all_modules $*"; }
		add_runscript() { add_call runscript; }
		error() { echo "error: $*" >>"$tmp/errors"; return 1; }
		[[ " $* " != *' base '* ]] || ln -s busybox "$tmp/m/usr/bin/sh"
		[[ " $* " != *' base '* ]] || : >"$tmp/m/usr/bin/busybox"
		if [[ " $* " = *' systemd '* ]]; then
			add_systemd_unit() { add_call unit "$@"; }
		fi
		# shellcheck disable=SC2030
		PATH=$tmp/bin:$PATH
		# shellcheck source=initramfs/mkinitcpio/install/hydroot
		. "$tmp/d/usr/lib/initcpio/install/hydroot"
		help | grep -q 'root=hydroot:URL' || fail "help says nothing"
		build || :
	)
}
mkinitcpio_is_right() # HOOK...
{
	mkinitcpio "$@"
	[ ! -e "$tmp/counted" ] || fail "mkinitcpio $*: counted as failures: $(cat "$tmp/counted")"
	grep -q '^link /usr/lib/hydroot/bin/udhcpc busybox$' "$tmp/calls" || fail "mkinitcpio: no udhcpc"
	if grep -qE '^link /usr/lib/hydroot/bin/(curl|modprobe) ' "$tmp/calls"; then
		fail "mkinitcpio: curl or modprobe of busybox"
	fi
	for f in lib.sh boot.sh ladder.sh links.sh address.sh net.sh dhcp.sh mkinitcpio.sh; do
		grep -q "^file .* /usr/lib/hydroot/$f\$" "$tmp/calls" || fail "mkinitcpio: no $f"
	done
	grep -q '^module zram$' "$tmp/calls" || fail "mkinitcpio: no zram"
	! grep -q '^module nls_ascii$' "$tmp/calls" || fail "mkinitcpio: a module that is not there"
	grep -q '^module xhci_pci$' "$tmp/calls" || fail "mkinitcpio: no USB"
	! grep -q '^module xhci_plat_hcd$' "$tmp/calls" || fail "mkinitcpio: a bus that is not there"
	grep -q '^module ena$' "$tmp/calls" || fail "mkinitcpio: no network drivers"
	grep -q '^module pci_hyperv$' "$tmp/calls" || fail "mkinitcpio: no network cards of Hyper-V"
	[ -s "$tmp/m/usr/lib/hydroot/modules" ] || fail "mkinitcpio: nothing to load"
}
mkinitcpio_is_right base udev
grep -qx runscript "$tmp/calls" || fail "mkinitcpio: no run hook"
if grep -q '^link /usr/bin/sh ' "$tmp/calls"; then fail "mkinitcpio: the shell of base is replaced"; fi
mkinitcpio_is_right systemd
grep -qx 'link /usr/bin/sh ../lib/hydroot/bin/busybox' "$tmp/calls" || fail "mkinitcpio: no shell without base"
mkinitcpio_is_right base systemd
grep -q 'initrd-root-fs.target.requires/hydroot-root.service' "$tmp/calls" || fail "mkinitcpio: no unit"
if grep -qx runscript "$tmp/calls"; then fail "mkinitcpio: a run hook for systemd"; fi
lacks=busybox mkinitcpio base udev
[ -e "$tmp/counted" ] || fail "mkinitcpio: nobody is told that busybox is missing"
grep -q 'busybox: not installed' "$tmp/errors" || fail "mkinitcpio: no word of busybox"

# dracut's functions, likewise.
# shellcheck disable=SC2317 # called by what is sourced
dracut() # DRACUTBASEDIR
{
	(
		initdir=$tmp/i moddir=$tmp/d/usr/lib/dracut/modules.d/50hydroot dracutbasedir=$1
		srcmods=$(echo "$PWD"/tests/fixtures/roots/6.1-debian/lib/modules/*)
		export initdir moddir srcmods dracutbasedir
		rm -rf "$tmp/i" "$tmp/calls"
		mkdir -p "$initdir/usr/lib/hydroot" "$initdir/etc"
		inst_binary() { [ -f "$1" ] || fail "inst_binary $*"; echo "binary $*" >>"$tmp/calls"; }
		inst_library() { [ -f "$1" ] || fail "inst_library $*"; }
		inst_libdir_file() { :; }
		inst_simple() { [ -f "$1" ] || fail "inst_simple $*"; echo "file ${2:-$1}" >>"$tmp/calls"; }
		inst_script() { [ -f "$1" ] || fail "inst_script $*"; }
		inst_multiple() { echo "commands $*" >>"$tmp/calls"; }
		inst_hook() { [ -f "$3" ] || fail "inst_hook $*"; echo "hook $1" >>"$tmp/calls"; }
		instmods() { printf 'module %s\n' "$@" >>"$tmp/calls"; }
		dracut_need_initqueue() { :; }
		# shellcheck source=initramfs/dracut/50hydroot/module-setup.sh
		. "$moddir/module-setup.sh"
		depends >"$tmp/depends"
		installkernel
		install
	)
}
mkdir -p "$tmp/old/modules.d" "$tmp/new/modules.d/77initqueue"
dracut "$tmp/old"
[ "$(cat "$tmp/depends")" = "base network" ] || fail "dracut: depends on $(cat "$tmp/depends")"
for line in 'module zram' 'module ena' 'module xhci_pci' 'hook initqueue/timeout' 'hook initqueue/settled' \
	'hook pre-pivot' 'hook cmdline' 'file /usr/lib/hydroot/ladder.sh' 'file /usr/lib/hydroot/dracut.sh'; do
	grep -qx "$line" "$tmp/calls" || fail "dracut: no $line"
done
# Where the machine has no merged /usr, /lib is another folder in the initramfs, too.
hr_lib=$(sed -n 's/^hr_lib=${hr_lib:-\(.*\)}$/\1/p' initramfs/boot.sh)
for f in "$hr_lib/lib.sh" $(sed -nE 's/^[[:space:]]*\. (\/[^ ]*hydroot\/[^ ]*)$/\1/p' initramfs/dracut/50hydroot/*.sh | sort -u); do
	grep -qx "file $f" "$tmp/calls" || fail "dracut: $f is sourced, and is not there"
done
if grep -qE '^module (=|iwlwifi|mac80211|vcan|can)' "$tmp/calls"; then fail "dracut: no wired driver"; fi
dracut "$tmp/new"
grep -qx initqueue "$tmp/depends" || fail "dracut: initqueue is a module, but not asked for"

# What renews the lease in the root: dracut has no DHCP client that could.
# shellcheck disable=SC2031 # it is, on purpose
PATH=$tmp/bin:$PATH dracut "$tmp/new"
grep -qx "binary $tmp/bin/busybox /usr/lib/hydroot/bin/busybox" "$tmp/calls" || fail "dracut: no busybox"

# ssh in the rescue system: where there are keys, and dropbear.
if grep -q '/dropbear$' "$tmp/calls"; then fail "dracut: dropbear without keys"; fi
echo key >"$tmp/etc/authorized_keys"
printf '#!/bin/sh\n' >"$tmp/bin/dropbear"
chmod 755 "$tmp/bin/dropbear"
# shellcheck disable=SC2031 # it is, on purpose
PATH=$tmp/bin:$PATH
dracut "$tmp/new"
for line in "binary $tmp/bin/dropbear /usr/sbin/dropbear" "binary $tmp/bin/busybox /usr/bin/busybox" \
	"file $tmp/etc/authorized_keys"; do
	grep -qx "$line" "$tmp/calls" || fail "dracut: no $line"
done
mkinitcpio_is_right base udev
grep -qx "binary $tmp/bin/dropbear /usr/sbin/dropbear" "$tmp/calls" || fail "mkinitcpio: no dropbear"
