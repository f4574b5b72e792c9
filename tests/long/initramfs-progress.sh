#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# How far the fill is, said in one line: percent, size, rate and time that is left, from the status
# as the daemon writes it; and nothing when nothing is being filled
. "$(dirname "$0")/../lib.sh"
requires busybox dash

status() # STATE BYTES-OF-1-GIB ETA
{
	printf '{"schema":1,"name":"root","state":"%s","image":{"url":"http://h/i?\\"bytes\\":7","digest":"x","bytes":1073741824,"chunk_bytes":524288},"resident":{"chunks":1,"bytes":%s},"eta_seconds":%s,"fetched":{"hot_bytes":5}}' "$@"
}

line() # SHELL STATUS...: the last of several in a row, a second apart
{
	local shell=$1 script='hr_lib=initramfs; . initramfs/lib.sh; . initramfs/progress.sh' text
	shift
	for text in "$@"; do
		script+="; hr_progress '$text' || hr_line=nothing; sleep 1.1"
	done
	$shell -c "$script; echo \"\$hr_line\""
}

for shell in "busybox sh" dash; do
	assert_equal "the first" "37% of 1024 MiB, 8 s left" "$(line "$shell" "$(status filling 400000000 8)")"
	assert_equal "without an end in sight" "37% of 1024 MiB" "$(line "$shell" "$(status filling 400000000 null)")"
	line "$shell" "$(status filling 400000000 8)" "$(status filling 500000000 3)" >"$T/out"
	assert_contains "with a rate" '^46% of 1024 MiB, [0-9]+ MiB/s, 3 s left$' "$T/out"
	assert_equal "resident" nothing "$(line "$shell" "$(status resident 1073741824 null)")"
	assert_equal "no status" nothing "$(line "$shell" '')"
done

# In the root: on the console while it boots, and by plymouth; it ends with residence.
mkdir "$T/bin"
printf '#!/bin/sh\necho starting\n' >"$T/bin/systemctl"
printf '#!/bin/sh\necho "plymouth $*" >>%s/calls\n' "$T" >"$T/bin/plymouth"
chmod 755 "$T/bin/systemctl" "$T/bin/plymouth"
status filling 400000000 8 >"$T/status"
watch() # SETTINGS
{
	PATH=$T/bin:$PATH timeout 20 dash -c ". initramfs/lib.sh; . initramfs/progress.sh
		hr_console=$T/console hr_resident=$T/resident hr_booted=$T/booted hr_status_file=$T/status
		sleep() { turns=\$((\${turns:-0} + 1)); [ \$turns -lt \${last_turn:-7} ] || touch $T/resident; }
		$1
		hr_watch_root" || fail "hr_watch_root does not end"
	rm -f "$T/resident"
}
# One look: a second one, 10 s later, would say a rate.
watch 'last_turn=3'
assert_contains "the console" 'hydroot: fill: 37% of 1024 MiB, 8 s left$' "$T/console"
assert_contains "plymouth" '^plymouth display-message --text=hydroot: 37% of' "$T/calls"
assert_contains "it is taken away" '^plymouth hide-message' "$T/calls"
refute "the end of the boot is told while it lasts" test -e "$T/booted"
rm "$T/console"
watch 'hr_quiet=1'
refute "the console, quiet" test -s "$T/console"
# Where it cannot sleep it does not go on without a pause.
watch 'sleep() { return 1; }'
rm "$T/console"

# Once all units have been started, whether well or not.
printf '#!/bin/sh\necho degraded\nexit 1\n' >"$T/bin/systemctl"
watch ''
assert "the end of the boot is told" test -e "$T/booted"
refute "the console, after the boot" test -s "$T/console"

# From then on what shutting down reads has been read, told once; and a root that streams is told of, where ifupdown waits.
printf '#!/bin/sh\necho running\ncase $1 in show) echo %s/unit;; esac\n' "$T" >"$T/bin/systemctl"
printf '#!/bin/sh\necho "cat $*" >>%s/calls\n' "$T" >"$T/bin/cat"
printf '#!/bin/sh\n' >"$T/bin/ifup"
chmod 755 "$T"/bin/*
rm -f "$T/calls" "$T/log"
watch "hr_log=$T/log"
for file in "$T/unit" "$T/bin/systemctl" /usr/lib/systemd/systemd-shutdown; do
	assert_contains "what is read" "^cat (.* )?$file( |\$)" "$T/calls"
done
assert_contains "told" 'hydroot: shutdown: it needs no server from now on$' "$T/log"
refute "a warning" grep -q streaming "$T/log"
status streaming 400000000 null >"$T/status"
watch "hr_log=$T/log"
assert_equal "streaming" 1 "$(grep -c 'warning: state streaming: the root is never resident: ifupdown is never started' "$T/log")"
