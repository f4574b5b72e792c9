#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A boot without a console that can be opened, as with console= for a port that the machine lacks: the configuration is
# read, the daemon is started, the kernel's log has what is said, and nobody is given a shell
. "$(dirname "$0")/../lib.sh"
requires busybox dash

mkdir -p "$T/bin" "$T/lib" "$T/run/hydroot"
cat >"$T/bin/hydrootd" <<'END'
#!/bin/sh
echo "hydrootd $*" >&2
case $1 in
--print-config) echo hydroot_is_root=1 ;;
*) echo /dev/null ;;
esac
END
printf '#!/bin/sh\n' >"$T/bin/hydroot"
chmod 755 "$T/bin"/*
for file in initramfs/*.sh; do sed "s|/run/hydroot|$T/run/hydroot|g" "$file" >"$T/lib/${file##*/}"; done
sed "s|/lib/hydroot/boot.sh|$T/lib/boot.sh|; s|^PATH=.*||; s|/dev/console|$T/none/console|; s|=/sysroot|=$T/sysroot|
	s|/run/hydroot|$T/run/hydroot|g" initramfs/standalone/init >"$T/init"
export PATH=$T/bin:$PATH hr_lib=$T/lib hr_log=$T/log hr_vmcore=$T/none/vmcore hr_cmdline=/dev/null

# As the kernel's log it keeps what others have written.
mkfifo "$T/log"
exec 5<>"$T/log"

run() # SHELL SNIPPET: the log is in $T/logged, what is said elsewhere in $T/out
{
	# shellcheck disable=SC2086 # busybox sh
	timeout 20 $1 -c "export hr_console=$T/none/console; $2" >"$T/out" 2>&1 </dev/null ||
		fail "$1: $2: exit code $?: $(cat "$T/out")"
	timeout 0.5 cat <&5 >"$T/logged" || true
}
for shell in 'busybox sh' dash; do
	run "$shell" '. $hr_lib/boot.sh; hr_config && hr_attach || echo "ends: $hr_error"'
	assert_equal "$shell: it comes to the device, which is none here" "ends: '/dev/null' is no block device" \
		"$(cat "$T/out")"
	assert_equal "$shell: what hydrootd says" "hydrootd --print-config hydrootd --boot" "$(xargs <"$T/logged")"
	run "$shell" '. $hr_lib/boot.sh; hr_is_ours; hr_say a; hr_warn b; hr_print c; hr_quiet=1; hr_say d'
	assert_equal "$shell: all of it, each once" \
		"<7>hydroot: a <7>hydroot: warning: b <7>hydroot: c <7>hydroot: d" "$(xargs <"$T/logged")"
	# A shell there would take the kernel's messages for commands.
	run "$shell" '. $hr_lib/boot.sh; hr_find_console; echo "echo executed" >$hr_log; hr_shell || echo none'
	assert_equal "$shell: instead of a shell" none "$(cat "$T/out")"
	run "$shell" "hr_log=$T/none/log; "'. $hr_lib/boot.sh; hr_find_console; echo $hr_console; hr_print lost; hr_shell || echo none'
	assert_equal "$shell: not even a log" "/dev/null none" "$(xargs <"$T/out")"
	# PID 1 of the stand-alone initramfs.
	run "$shell" "mount() { :; }; hr_end() { exit 0; }; hr_lives() { echo lives; exit 0; }
		sed 's/^hr_begin\$/hr_lives/' $T/init >$T/init.cut; . $T/init.cut"
	assert_contains "$shell: PID 1" '^lives$' "$T/logged"
done

# With a console all goes there.
run 'busybox sh' "hr_console=$T/console; : >$T/console; . \$hr_lib/boot.sh; hr_is_ours; hr_print 'to be read'"
assert_contains "the console" 'hydroot: to be read$' "$T/console"
assert_equal "the log" "" "$(cat "$T/logged")"
