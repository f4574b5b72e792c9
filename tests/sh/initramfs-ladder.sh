#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The failure ladder of the initramfs, under busybox's shell with a made-up hydrootd: what is tried
# after what, what is said, what is undone, and what onfail= does at the end
. "$(dirname "$0")/../lib.sh"
requires busybox

# DEFINITIONS go before hr_boot_root; into $T/out: the console, then "status STATUS".
ladder() # DEFINITIONS
{
	busybox sh -c "hr_lib=initramfs; hr_mounting=$T/mounting; . initramfs/boot.sh
		hr_console=/dev/stdout
		hr_attach()
		{
			echo \"called \$*\"; : >$T/mounting
			hr_attach_status=0 hr_device=/dev/x hr_error='no server answers'
			\${1:+eval} attach_is_good \$1 || { hr_attach_status=\${code:-1}; return 1; }
		}
		attach_is_good() { [ \"\$1\" = --use-fallback ]; }
		exec 3>&1; hydroot() { echo \"hydroot \$*\" >&3; }
		umount() { :; }
		hr_mount_root() { hr_type=ext4; }
		hr_check_kernel() { :; }
		hr_check_root() { :; }
		hydroot_servers='http://u:secret@a/i.hri?token=1 http://b/i.hri'
		hydroot_fallback='http://f/i.hri#sha256:ab'
		$1
		hr_boot_root /nowhere; echo \"status \$? \$hr_error\"" 2>&1 | cat >"$T/out"
}

says() { assert_contains "$1" "$2" "$T/out"; }
not() { refute "$1" grep -qE -- "$2" "$T/out"; }

ladder ''
says "first the servers" '^called $'
says "the reason" 'hydroot: image: .*i.hri[?.]*: cannot be used: attach: no server answers$'
says "the next rung" 'hydroot: fallback: trying http://f/i.hri'
says "the fallback" '^called --use-fallback$'
says "it boots" '^status 0'
not "a password" secret
not "a token" token

ladder 'attach_is_good() { true; }'
says "the first is good" '^status 0'
not "a fallback" fallback

ladder 'code=3'
says "low-memory=fail" '^status 1 .*low-memory=fail'
not "a fallback" '--use-fallback'

ladder 'attach_is_good() { false; }'
says "both fail" '^status 1 fallback: attach: no server answers'

ladder 'hydroot_fallback=; attach_is_good() { false; }'
says "there is none" '^status 1 attach: no server answers'
not "a fallback" fallback

ladder 'hr_mount_root() { hr_error=broken; echo "fallback=${hr_is_fallback:-}"; [ -n "${hr_is_fallback:-}" ]; }
	attach_is_good() { true; }'
assert_equal "which of them it is, is known" "fallback= fallback=1" "$(grep '^fallback=' "$T/out" | xargs)"

# A root that cannot be mounted, or has the wrong kernel, is given back before the next is tried.
ladder 'attach_is_good() { true; }; hr_mount_root() { hr_error=broken; n=1$n; [ $n = 11 ]; }'
says "what was undone" '^hydroot detach root$'
says "the reason" 'image: .*: cannot be used: root: broken$'
says "the second is mounted" '^status 0'
ladder 'attach_is_good() { true; }; hr_check_root() { hr_error=noinit; return 1; }'
says "a root without init" '^status 1 fallback: root: noinit'
ladder 'attach_is_good() { true; }; hr_check_kernel() { hr_error=kernel; return 1; }'
says "kernel-check" '^status 1 fallback: root: kernel'

# What tells the daemon that reads may not wait for ever: until the root is mounted, and judged.
ladder 'attach_is_good() { true; }; hr_check_kernel() { ls "$hr_mounting"; }'
says "while it is mounted" '/mounting$'
refute "afterwards" test -e "$T/mounting"
ladder 'hr_mount_root() { hr_error=broken; return 1; }'
says "it fails" '^status 1'
refute "afterwards" test -e "$T/mounting"

# Without a network only a fallback on a disk can help.
ladder 'hr_network_failed="network: no link"'
says "no network" '^status 1 network: no link'
says "the fallback" 'fallback: http://f/i.hri[^ ]*: not tried: network: no link$'
not "an attempt" '^called'
ladder 'hr_network_failed="network: no link"; hydroot_fallback=file:///d/i.hri'
says "a fallback on a disk" '^called --use-fallback'
says "the reason" 'image: .*: cannot be used: network: no link'

# Why it is the fallback that runs, the root can read, too.
ladder 'hr_kmsg() { echo "log: $*"; }'
says "the reason" '^log: image: .*: cannot be used: attach: no server answers'
says "the fallback" '^log: fallback: trying http://f/i.hri'

# A root that was copied into a tmpfs has no device any more, whatever comes then.
ladder 'attach_is_good() { true; }; hr_mount_root() { hr_type=tmpfs hr_device=; }'
says "what it came from" 'root: /dev/x is mounted \(tmpfs\)'
ladder 'attach_is_good() { true; }; hr_mount_root() { hr_type=tmpfs hr_device=; }; hr_check_kernel() { hr_error=kernel; return 1; }'
not "a second detach" '^hydroot detach'

# So can an image on one.
ladder 'hr_network_failed="network: no link"; hydroot_servers=file:///d/i.hri; attach_is_good() { true; }'
says "without a network" 'warning: network: no link: going on, the image is a file$'
says "the image" '^called $'
says "it boots" '^status 0'
# One of several places is enough.
for servers in "file:///d/i.hri http://b/i.hri" "http://b/i.hri FILE:///d/i.hri"; do
	ladder "hr_network_failed='network: no link'; hydroot_servers='$servers'; attach_is_good() { true; }"
	says "the copy on a disk" '^called $'
	says "it boots" '^status 0'
done

# The daemon's last word, out of its status.
mkdir -p "$T/run"
echo '{"servers":[{"last_error": "x"}], "error": "image: \"a\" refused"}' >"$T/run/status.json"
error=$(sed "s|/run/hydroot/root|$T/run|" initramfs/ladder.sh >"$T/ladder.sh"
	busybox sh -c ". initramfs/lib.sh; . $T/ladder.sh; hr_status_error")
assert_equal "error" 'image: \"a\" refused' "$error"

# onfail=: the countdown, with a clock that does not wait.
last() # SETTINGS: what is said at the end
{
	timeout 20 busybox sh -c "hr_lib=initramfs; . initramfs/boot.sh; hr_console=/dev/stdout
		sleep() { slept=\$((\${slept:-0} + \$1)); [ \"\$1\" != 3600 ] || exit 0; }
		hr_end() { echo \"end \$1 after \${slept:-0}\"; exit 0; }
		hr_start_ssh() { echo ssh; exit 0; }; mount() { :; }; mkdir() { :; }
		$1; hr_fail the reason" 2>&1 | cat >"$T/out"
}
last 'hydroot_onfail_delay=200'
says "why" 'hydroot: failed: the reason$'
says "the countdown" 'onfail=reboot: in 180 s$'
says "the countdown" 'onfail=reboot: in 10 s$'
says "the end" '^end reboot after 200$'
last 'hydroot_panic=09'
says "the end" '^end reboot after 9$'
last 'hydroot_onfail=poweroff'
says "the end" '^end poweroff after 0$'
last 'hydroot_onfail=rescue; hr_on_failure() { :; }; hr_modules() { echo modules; }; hr_coldplug() { echo coldplug; }
	hr_rescue_network() { echo network; }'
assert_equal "rescue" "modules coldplug network ssh" "$(grep -v '^\[' "$T/out" | xargs)"
not "an end" '^end'
# A console that ends at once, with rd.shell: not again and again.
last 'hydroot_onfail=rescue hydroot_rd_shell=1; hr_start_ssh() { :; }; setsid() { echo shell; }; cttyhack() { :; }
	sleep() { echo "sleep $1"; [ -z "${slept:-}" ] || exit 0; slept=1; }'
assert_equal "shells" "shell shell sleep 30 shell sleep 30" "$(grep -xE 'shell|sleep .*' "$T/out" | xargs)"
# The report gets its two seconds before the machine goes away.
last 'hydroot_onfail=poweroff hydroot_report=http://h/; hydroot() { echo {}; }
	hydrootd() { cat >/dev/null; command sleep 1; echo posted $1 >&3; }; sleep() { command sleep $1; }; exec 3>&1'
assert_equal "posted before the end" "posted --post=failed
end poweroff after 0" "$(grep -E '^(posted|end)' "$T/out")"
for seconds in 0 1 9 10 11 59 60 61 69 70 71 120 600; do
	last "hydroot_onfail_delay=$seconds"
	says "waits $seconds" "^end reboot after $seconds\$"
done

# initramfs-tools: what init sources, and then mountroot; panic() would reboot where panic= is given, and not come back.
sed "s|/lib/hydroot/boot.sh|$TOP/initramfs/boot.sh|" initramfs/initramfs-tools/scripts/hydroot >"$T/adapter"
its() # SETTINGS
{
	timeout 20 busybox sh -c "hr_lib=initramfs hr_console=/dev/stdout hr_cmdline=/dev/null rootmnt=/nowhere
		panic() { echo \"panic \$*\"; exit 0; }; . $T/adapter
		hydrootd() { echo hydroot_is_root=1; }; hr_vmcore=$T/none
		wait_for_udev() { :; }; hydroot_network() { :; }
		run() { $1; hydroot_load; hr_modules() { echo modules; }; hr_boot() { hr_fail the reason; }
			hr_clock() { :; }; hr_start_ssh() { echo ssh; }; mount() { :; }; mkdir() { :; }; hydroot_load() { :; }
			sleep() { echo \"sleep \$1\"; n=1\$n; [ \$n != 11 ] || exit 0; }; mountroot; }; run" 2>&1 | cat >"$T/out"
}
shell='hydroot_rd_shell=1 hydroot_onfail=rescue'
its "$shell panic="
says "a shell by its own means" '^panic hydroot: leave the shell to go on$'
its "$shell panic=-1"
not "a reboot" '^panic'
assert_equal "said once" 1 "$(grep -c 'hydroot: no shell: panic=-1 keeps it away$' "$T/out")"
says "the rescue system waits" '^sleep 30$'
# boot=hydroot: nobody has said the start, nor set the clock.
says "the start" 'hydroot: start: kernel'
its "$shell panic=-1 hydroot_begun=1"
not "the start a second time" 'start: kernel'

# Before the end: the init that the core has found, and no interface goes down with dropbear-initramfs.
sed "s|/scripts/|$T/scripts/|; s|/etc/dropbear|$T/dropbear|g" "$T/adapter" >"$T/bottom"
mkdir -p "$T/scripts/init-bottom" "$T/tree/usr/lib/systemd"
touch "$T/scripts/init-bottom/dropbear" "$T/tree/usr/lib/systemd/systemd"
chmod +x "$T/tree/usr/lib/systemd/systemd"
for local in none local; do
	rm -rf "$T/dropbear"
	touch "$T/local"
	busybox sh -c "hr_lib=initramfs hr_vmcore=$T/none hr_local=$T/$local rootmnt=$T/tree; . $T/bottom
		hydroot_load; run_scripts() { :; }; hr_leave() { echo \"leave \$1 \$init\"; }
		hr_init=/usr/lib/systemd/systemd; mount_bottom" >"$T/out"
	assert_equal "init" "leave $T/tree /usr/lib/systemd/systemd" "$(cat "$T/out")"
	assert_equal "interfaces" "$([ $local = local ] || echo IFDOWN=none)" "$(cat "$T/dropbear/dropbear.conf" 2>/dev/null)"
done

# ssh in the rescue system: keys of /etc/hydroot become root's, once.
mkdir -p "$T/etc/hydroot" "$T/root"
echo 'ssh-ed25519 AAAA me' >"$T/etc/hydroot/authorized_keys"
sed "s|/etc/|$T/etc/|g; s|:/root:|:$T/root:|; s|>/etc/shells|>$T/etc/shells|" initramfs/lib.sh >"$T/lib.sh"
chmod 777 "$T/root"
busybox sh -c ". $T/lib.sh; hr_console=$T/console; dropbear() { echo \"dropbear \$*\"; }
	ip() { :; }; hr_start_ssh
	ip() { printf '%s\n' '2: eth0 inet 10.0.2.15/24 brd 10.0.2.255' '2: eth0 inet6 fd00::5/64 scope global'; }
	hr_start_ssh; hr_start_ssh" >"$T/out"
assert_contains "where" 'hydroot: onfail=rescue: ssh answers at 10.0.2.15 fd00::5$' "$T/console"
assert_equal "dropbear" "dropbear -R -s -j -k" "$(cat "$T/out")"
assert_contains "root" "^root:x:0:0:root:$T/root:/bin/sh\$" "$T/etc/passwd"
assert_contains "shells" '^/bin/sh$' "$T/etc/shells"
assert_equal "keys" 'ssh-ed25519 AAAA me' "$(cat "$T/root/.ssh/authorized_keys")"
assert_equal "modes" "755 700 600" "$(stat -c %a "$T/root" "$T/root/.ssh" "$T/root/.ssh/authorized_keys" | xargs)"

# A crash kernel.
assert_equal "kdump" "0 1" "$(busybox sh -c ". initramfs/lib.sh
	hr_vmcore=/proc/self/stat; hr_is_kdump; a=\$?; hr_vmcore=$T/none; hr_is_kdump; echo \$a \$?")"
