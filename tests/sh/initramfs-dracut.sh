#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# dracut's hooks, with made-up steps of a boot: the root is claimed once, mounted when there is an
# address, or without a network when the time is over; a boot of another root starts nothing
. "$(dirname "$0")/../lib.sh"
requires dash

mkdir -p "$T/lib" "$T/bin" "$T/hooks/initqueue/finished" "$T/run/systemd/network"
for file in initramfs/dracut/50hydroot/*.sh; do
	sed "s|/lib/hydroot/boot.sh|$T/lib/boot.sh|; s|/lib/hydroot/dracut.sh|$T/lib/hydroot-lib.sh|
		s|/run/|$T/run/|g; s|/etc/cmdline.d|$T/cmdline.d|g; s|. /lib/dracut-lib.sh|:|" \
		"$file" >"$T/lib/$(basename "$file")"
done
cat >"$T/lib/boot.sh" <<END
hr_aside=$T/run/hydroot/.aside
call() { echo "\$*" >>$T/calls; }
hr_is_ours() { call hydrootd; hydroot_n_ip=0; [ -e $T/ours ]; }
hr_config() { hr_is_ours; }
hr_begin() { call begin; }
hr_modules() { :; }
hr_wants_network() { [ ! -e $T/local ]; }
hr_addressed() { cat $T/addressed 2>/dev/null; }
hr_take_network() { [ -s $T/addressed ]; }
hr_boot() { call "boot \$1 \${hr_network_failed:-}"; }
hr_leave() { call "leave \$1"; }
udevadm() { :; }
END

hook() # FILE [NETROOT-ARGUMENTS]: as dracut sources or runs it
{
	local file=$T/lib/$1
	shift
	dash -c "getarg() { :; }; getargbool() { false; }; hookdir=$T/hooks NEWROOT=/sysroot; export NEWROOT
		. $file; echo \"root=\${root:-} netroot=\${netroot:-}\" >$T/said" "$file" "$@"
}
calls() { xargs 2>/dev/null <"$T/calls" || true; }

# Another root.
hook parse-hydroot.sh
assert_equal "asked once" hydrootd "$(calls)"
rm "$T/calls"
for file in hydroot-settled hydroot-timeout hydroot-pivot; do hook $file.sh; done
refute "something is started in a boot of another root" test -e "$T/calls"
rule=$T/run/udev/rules.d/61-hydroot-infiniband.rules
refute "udev hears of a boot of another root" test -e "$rule"

# Ours: nothing before there is an address, then all of it once.
touch "$T/ours"
hook parse-hydroot.sh
assert_contains "the root is claimed" '^root=hydroot netroot=hydroot:$' "$T/said"
assert_contains "a network is asked for" '^DHCP=yes$' "$T/run/systemd/network/90-hydroot.network"
assert_contains "IP over InfiniBand" '"infiniband", RUN\{builtin\}\+="kmod load ib_ipoib"$' "$rule"
assert "dracut waits for it" test -e "$T/hooks/initqueue/finished/hydroot.sh"
hook hydroot-settled.sh
refute "mounted without an address" grep -q ^boot "$T/calls"
echo eth0 >"$T/addressed"
hook hydroot-settled.sh
hook hydroot-settled.sh
hook hydroot-timeout.sh
assert_equal "mounted once" "boot /sysroot " "$(grep ^boot "$T/calls")"
hook hydroot-pivot.sh
assert_contains "left" '^leave /sysroot$' "$T/calls"
refute "the profile for all is left behind" test -e "$T/run/systemd/network/90-hydroot.network"
refute "the rule is left behind" test -e "$rule"

# No address in time: on with a reason.
rm "$T/addressed" "$T/run/hydroot/.mounted" "$T/calls"
hook hydroot-timeout.sh
assert_contains "the reason" '^boot /sysroot network: no interface got an address' "$T/calls"

# In the rescue system dracut's network may come up later: it is said once.
for when in before after; do
	[ $when = before ] || echo eth0 >"$T/addressed"
	dash -c "getarg() { :; }; getargbool() { false; }; . $T/lib/hydroot-lib.sh; hr_print() { echo \"\$*\"; }
		hr_network_failed=why; hr_rescue_network; hr_rescue_network" >"$T/rescue.$when"
done
assert_equal "without an address" "" "$(cat "$T/rescue.before")"
assert_equal "with an address" "onfail=rescue: the network is up" "$(cat "$T/rescue.after")"
rm "$T/addressed"

# An image on a disk needs none.
rm -r "$T/run/hydroot" "$T/calls"
touch "$T/local"
hook parse-hydroot.sh
hook hydroot-settled.sh
assert_equal "from a disk" "boot /sysroot " "$(grep ^boot "$T/calls")"
