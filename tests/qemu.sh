# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# qemu.sh - guests for the boot tests and the demo; sourced after lib.sh
#
# A guest has its console in $T/NAME.console, qemu's monitor behind `monitor NAME COMMAND`, and an agent on its second serial port, through
# which `guest NAME SECONDS SCRIPT` runs a script as root.  Its network is qemu's own: the host's
# 127.0.0.1 is 10.0.2.2 there.  KVM is used only where a quick probe really boots with it.

declare -A guest_pid=()
GUEST_MEMORY=${GUEST_MEMORY:-1024}
# Another kernel than the image's own; its modules have to be in the initramfs.
GUEST_KERNEL=${GUEST_KERNEL:-}
GUEST_BOOT_SECONDS=${GUEST_BOOT_SECONDS:-180}
# no_timer_check: on a busy host an emulated timer may be too late for the check, and the kernel panics.
GUEST_APPEND='no_timer_check console=ttyS0 net.ifnames=0 panic=-1 loglevel=4 printk.time=1'
GUEST_IP='ip=10.0.2.15::10.0.2.2:255.255.255.0:guest:eth0:off nameserver=10.0.2.3'
# shellcheck disable=SC2034 # for the tests
GUEST_HOST=10.0.2.2
# Its interfaces and what they are plugged into, in qemu's words.
GUEST_NET=(-netdev "user,id=n0" -device "virtio-net-pci,netdev=n0,romfile=")

# Without SVM udev loads no kvm: clearing the memory of that large module, which was code before, takes TCG up to minutes.
qemu_tcg=(-accel "tcg,thread=multi" -cpu "qemu64,-cx16,-svm")
qemu_kvm=(-accel kvm -cpu host)
qemu_base=(qemu-system-x86_64 -nodefaults -no-user-config -display none -M pc -smp 2
	-no-reboot -monitor none)

# --- which accelerator ----------------------------------------------------------------------------

# Prints tcg or kvm; the answer is kept in build/accel.  HYDROOT_ACCEL overrides it.  Tests that start side by side ask
# in turn: only the first one probes, and none reads half an answer.
guest_accel()
{
	local kept=$TOP/build/accel
	if [ -n "${HYDROOT_ACCEL-}" ]; then
		echo "$HYDROOT_ACCEL"
		return
	fi
	(
		flock 9
		[ -s "$kept" ] || if kvm_boots; then echo kvm; else echo tcg; fi >"$kept"
	) 9>"$kept.lock"
	cat "$kept"
}

# Does a kernel reach the first process under KVM within seconds?  /dev/kvm alone proves nothing.
kvm_boots()
{
	[ -w /dev/kvm ] || return 1
	mkdir -p "$T/probe/bin" "$T/probe/proc"
	cp "$(command -v busybox)" "$T/probe/bin/sh"
	printf '#!/bin/sh\necho KVM-PROBE-OK >/dev/console\npoweroff -f\n' >"$T/probe/init"
	chmod +x "$T/probe/init"
	(cd "$T/probe" && find . | cpio -o -H newc --quiet) >"$T/probe.cpio"
	timeout -k 2 20 "${qemu_base[@]}" "${qemu_kvm[@]}" -m 256 -kernel "$IMAGES/base/vmlinuz" \
		-initrd "$T/probe.cpio" -append 'console=ttyS0 quiet panic=-1' \
		-serial "file:$T/probe.log" </dev/null >/dev/null 2>&1 || true
	grep -q KVM-PROBE-OK "$T/probe.log" 2>/dev/null
}

# --- start and stop -------------------------------------------------------------------------------

# start_guest NAME INITRD APPEND [QEMU-ARGUMENT...]
start_guest()
{
	local name=$1 initrd=$2 append=$3 which accel
	shift 3
	which=$(guest_accel)
	case $which in
	kvm) accel=("${qemu_kvm[@]}") ;;
	tcg)
		accel=("${qemu_tcg[@]}")
		# A soft lockup is two minutes then, as is a hung task: less can be the emulator's.  It translates code for
		# each address that this is mapped at, and where that is another in each of a thousand processes it
		# takes minutes to clear the pages of the initramfs later: hence no random ones.
		append="watchdog_thresh=60 norandmaps $append"
		;;
	*) fail "accelerator '$which': tcg or kvm is needed; see HYDROOT_ACCEL and build/accel" ;;
	esac
	: >"$T/$name.console"
	evidence+=("$T/$name.console")
	# A name is free again when its guest has ended.
	rm -f "$T/$name.monitor.in" "$T/$name.monitor.out" "$T/$name.agent"
	mkfifo "$T/$name.monitor.in" "$T/$name.monitor.out"
	timeout -k 5 "${GUEST_LIFE_SECONDS:-1200}" "${qemu_base[@]}" "${accel[@]}" \
		-m "$GUEST_MEMORY" -kernel "${GUEST_KERNEL:-$IMAGES/base/vmlinuz}" -initrd "$initrd" \
		-append "$GUEST_APPEND $append" \
		"${GUEST_NET[@]}" \
		-chardev "pipe,id=monitor,path=$T/$name.monitor" -mon chardev=monitor \
		-serial "file:$T/$name.console" \
		-chardev "socket,id=agent,path=$T/$name.agent,server=on,wait=off" \
		-serial chardev:agent "$@" </dev/null >"$T/$name.qemu" 2>&1 &
	guest_pid[$name]=$!
	evidence+=("$T/$name.qemu")
	defer end_process "${guest_pid[$name]}"
}

# start_hydroot_guest NAME INITRAMFS URL [MORE-APPEND]
start_hydroot_guest()
{
	start_guest "$1" "$2" "rw $GUEST_IP ${4-} root=hydroot:$3"
}

# A command for qemu itself, as in `set_link n0 off`; no answer.
monitor() { echo "$2" >"$T/$1.monitor.in"; } # NAME COMMAND

# initramfs_with OUTPUT TREE [INITRAMFS]: that of the boot tests, or another, with the files of TREE in it; the kernel
# unpacks one archive after the other.
initramfs_with()
{
	cp "${3:-$IMAGES/boot/initramfs.img}" "$1"
	truncate -s %4 "$1"
	(cd "$2" && find . | cpio -o -H newc --quiet -R 0:0) >>"$1"
}

# tools_for_guest FOLDER PROGRAM...: FOLDER/tools.tar, programs that the guest's image has not, with their libraries in lib/
tools_for_guest()
{
	local folder=$1 program path
	shift
	mkdir -p "$T/tools/lib"
	for program in "$@"; do
		path=$(command -v "$program")
		cp "$path" "$T/tools/"
		ldd "$path" | grep -o '/[^ ]*' | xargs -I '{}' cp -n '{}' "$T/tools/lib/"
	done
	tar -C "$T/tools" -cf "$folder/tools.tar" .
}

guest_runs() { kill -0 "${guest_pid[$1]}" 2>/dev/null; }

stop_guest() { end_process "${guest_pid[$1]}"; }

# What the kernel says at its end, whatever its log level.
declare -A last_words=([poweroff]='reboot: Power down' [reboot]='reboot: Restarting system')

# wait_guest_end NAME SECONDS [VERB]: until the guest has powered off, or done VERB, by itself.  That qemu has exited is
# no proof: with -no-reboot and panic=-1 it does so after a panic, too, and after a reboot.
wait_guest_end()
{
	local words=${last_words[${3:-poweroff}]} end=$(($(now_ms) + $2 * 1000 * ${HYDROOT_SLOWER:-1}))
	while guest_runs "$1"; do
		[ "$(now_ms)" -lt "$end" ] || fail "guest $1 is still running after $2 s"
		sleep 0.1
	done
	wait "${guest_pid[$1]}" || true
	console_has "$1" "$words" || fail "guest $1 has ended, but its kernel did not say: $words"
}

# --- what a guest says and does -------------------------------------------------------------------

console_has() { tr -d '\r' <"$T/$1.console" | grep -aqE -- "$2"; } # NAME PATTERN

# wait_console NAME SECONDS PATTERN
wait_console()
{
	local end=$(($(now_ms) + $2 * 1000 * ${HYDROOT_SLOWER:-1}))
	until console_has "$1" "$3"; do
		guest_runs "$1" || console_has "$1" "$3" || fail "guest $1 ended before: $3"
		[ "$(now_ms)" -lt "$end" ] || fail "guest $1 did not say in $2 s: $3"
		sleep 0.1
	done
}

# Not to the end of the line: the console may have more to say there.
GUEST_LOGIN='hydroot-test login:'
wait_login() { wait_console "$1" "$GUEST_BOOT_SECONDS" "$GUEST_LOGIN"; } # NAME

# boot_fails NAME SECONDS REASON: the boot ends for a reason that matches, and onfail=poweroff has its turn
boot_fails()
{
	wait_console "$1" "$2" "hydroot: failed: $3"
	wait_console "$1" 20 'hydroot: onfail=poweroff'
	wait_guest_end "$1" 60
	note "$1: $(tr -d '\r' <"$T/$1.console" | grep -aoE 'hydroot: failed: .*' | tail -n 1)"
}

# guest NAME SECONDS SCRIPT: its output and exit code; 124 and no output when it takes longer
guest() { "$TOOLS/guest" "$T/$1.agent" $(($2 * ${HYDROOT_SLOWER:-1})) "$3"; }

wait_agent() # NAME
{
	local i
	for ((i = 0; i < 30; i++)); do
		! guest "$1" 2 true || return 0
	done
	fail "the agent of guest $1 does not answer"
}

# --- hydroot inside a guest (put into /run by tests/boot/tools.hook) ------------------------------

guest_hydroot() # NAME SECONDS ARGUMENTS
{
	guest "$1" "$2" "cd /run/hydroot-test &&
		lib/ld-linux-x86-64.so.2 --library-path lib ./hydroot $3"
}

# A minute: the answer is short, but a guest that is busy with fio under TCG may need more than ten seconds for it.
guest_status() { guest_hydroot "$1" 60 'status root --json' | jq -r "$2"; } # NAME JQ-PATH

guest_status_is() { [ "$(guest_status "$1" "$2")" = "$3" ]; }

wait_resident() # NAME [MINUTES]
{
	guest_hydroot "$1" $((${2:-3} * 60 + 20)) "wait root --for=resident --timeout=${2:-3}m" ||
		fail "$1: not resident in ${2:-3} min: $(guest_status "$1" '"\(.mode) \(.state): \(.reason)"')"
}

kernel_trouble='I/O error|EXT4-fs error|XFS.*(error|corrupt|shutdown)|Buffer I/O|blk_update_request'
kernel_trouble+='|critical (target|medium)|hung task|blocked for more than|watchdog timeout|soft lockup|hard lockup|BUG:|\bOops\b'

# The kernel's log must show no trouble with the disk, but for lines that match EXPECTED.
assert_no_io_errors() # NAME [EXPECTED]
{
	guest "$1" 20 dmesg >"$T/$1.dmesg"
	# The clock of an emulated PC has its own complaint.  Watchdogs that only say what they do (of clocks, of
	# counters the CPU has not) are not meant, but those that fired: the kernel's and systemd's.
	if grep -hvE "MP-BIOS bug${2:+|$2}" "$T/$1.dmesg" "$T/$1.console" | grep -iE "$kernel_trouble"; then
		# With the stack that follows, which the console leaves out.
		grep -m 2 -iE -A 40 "$kernel_trouble" "$T/$1.dmesg" || true
		fail "guest $1: the kernel complains"
	fi
}

# The kernel has had no trouble, but for lines that match EXPECTED, and the guest powers off by itself.
end_guest() # NAME [EXPECTED]
{
	assert_no_io_errors "$@"
	guest "$1" 5 'systemctl poweroff' || true
	wait_guest_end "$1" 120
}

# --- a server that goes away in the middle of the fill ---------------------------------------------

# next_server_fills NAME INITRAMFS URL NEXT-URL [EXPECTED]: the function `server_goes` is called when a part of the root has come
# from URL.  The rest comes from NEXT-URL, which is of nginx `web`; `server_went NAME`, if there is one, is called when the node
# is resident.  EXPECTED: what the kernel may say of the server that is away.
next_server_fills()
{
	local name=$1
	start_hydroot_guest "$name" "$2" "$3" "rd.hydroot.server=$4 rd.hydroot.rate=1M"
	wait_login "$name"
	wait_agent "$name"
	assert_equal "state" filling "$(guest_status "$name" .state)"
	assert_equal "bytes by HTTP" 0 "$(nginx_bytes "$(nginx_log web)")"
	server_goes
	note "the server went at $(guest_status "$name" '"\(.resident.chunks) of \(.image.chunks) chunks"')"
	guest_hydroot "$name" 60 'set root rate=0' || fail "the rate cannot be set"
	wait_resident "$name" 5
	assert_contains "requests by HTTP" 'GET /debian.hri' "$(nginx_log web)"
	! declare -F server_went >/dev/null || server_went "$name"
	assert_root_is_plain "$name"
	assert_manifest "$name"
	end_guest "$name" "${5-}"
	note "resident by HTTP"
}

# --- the end of a node that is not resident yet ----------------------------------------------------

# end_while_filling NAME INITRAMFS URL VERB [QEMU-ARGUMENT...]: a node whose root comes in slowly is told to power off or
# to reboot, after the function `before_end NAME`, if there is one.  The machine ends without hanging, and the root, which
# is written to meanwhile, as if it were on a disk.
end_while_filling()
{
	local name=$1 verb=$4
	# So that the console has the kernel's words about the filesystem.
	start_guest "$name" "$2" "rw $GUEST_IP rd.hydroot.rate=100K loglevel=7 root=hydroot:$3" "${@:5}"
	wait_login "$name"
	wait_agent "$name"
	guest "$name" 60 'head -c 3000000 /dev/urandom >/var/tmp/written'
	assert_equal "state" filling "$(guest_status "$name" .state)"
	! declare -F before_end >/dev/null || before_end "$name"
	note "$name at $(guest_status "$name" '"\(.resident.chunks) of \(.image.chunks) chunks"')"
	guest "$name" 5 "systemctl $verb" || true
	wait_guest_end "$name" 120 "$verb"
	# Linux 6.1 does not say how it was mounted again.  Without a read-only mount there is none of the filesystem any more.
	tr -d '\r' <"$T/$name.console" | sed -n "/Remounting '\/' read-only/,\$p" |
		grep -aqE 'EXT4-fs \(dm-0\): (re-mounted|unmounting)' || fail "$name: the root was not made read-only"
	refute "$name: shutdown had trouble" console_has "$name" \
		'Failed to (unmount|umount|detach|remount)|I/O error|EXT4-fs error|[Aa]bort|blocked for more than|Kernel panic'
	note "$name: done"
}

# --- the state after a handover ------------------------------------------------------------------

# The root is a plain zram disk behind device-mapper, and nothing of hydroot is left.
assert_root_is_plain() # NAME
{
	guest "$1" 30 '
		set -e
		for p in /proc/[0-9]*; do
			if tr "\0" " " <$p/cmdline 2>/dev/null | grep -q "hydrootd"; then
				echo "still there: ${p#/proc/} $(tr "\0" " " <$p/cmdline)"; exit 1
			fi
		done
		mountpoint -q /sys/fs/fuse/connections ||
			mount -t fusectl none /sys/fs/fuse/connections 2>/dev/null || true
		[ -z "$(ls /sys/fs/fuse/connections)" ] || { echo "a FUSE connection is left"; exit 1; }
		for f in /sys/block/loop*/loop/backing_file; do
			[ ! -e $f ] || { echo "a loop device is in use: $f $(cat $f)"; exit 1; }
		done
		dev=$(awk "\$5 == \"/\" { print \$3 }" /proc/self/mountinfo | tail -n 1)
		sys=/sys/dev/block/$dev
		[ -d $sys/dm ] || { echo "/ is on $dev, not on device-mapper"; exit 1; }
		for s in $sys/slaves/*; do
			case ${s##*/} in zram*) ;; *) echo "below / is $s"; exit 1 ;; esac
		done
	' >"$T/plain" 2>&1 || fail "guest $1: $(cat "$T/plain")"
}

# Every file of the image is what it was when the image was made, read from the device anew.
assert_manifest() # NAME
{
	local manifest=/usr/local/lib/hydroot-test/manifest
	assert_equal "the manifest in guest $1" "$(sha256sum <"${GUEST_BASE:-$IMAGES/base}/manifest")" \
		"$(guest "$1" 60 "sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum <$manifest")"
	guest "$1" 300 "cd / && split -n l/2 $manifest /run/manifest. &&
		{ /usr/bin/sha256sum -c --quiet /run/manifest.aa >/run/a 2>&1 & a=\$!
		/usr/bin/sha256sum -c --quiet /run/manifest.ab; b=\$?
		wait \$a && [ \$b = 0 ] || { cat /run/a; exit 1; }; }" >"$T/manifest.out" 2>&1 ||
		fail "guest $1: files differ: $(head -n 20 "$T/manifest.out")"
}

# e2fsck finds nothing in the ext4 of the root.  It is read-only from here on; e2fsck runs from a tmpfs.
assert_root_is_clean() # NAME
{
	guest "$1" 30 'mkdir -p /run/fsck/lib && cp /sbin/e2fsck /run/fsck/ &&
		ldd /sbin/e2fsck | grep -o "/[^ ]*" | while read -r f; do cp "$f" /run/fsck/lib/; done'
	guest "$1" 120 'sync; echo u >/proc/sysrq-trigger
		i=0; until grep -q "^[^ ]* / ext4 ro[, ]" /proc/mounts || [ $i = 100 ]; do
			sleep 0.1; i=$((i + 1)); done
		dev=$(awk "\$2 == \"/\" && \$3 == \"ext4\" { print \$1 }" /proc/mounts)
		cd /run/fsck && lib/ld-linux-x86-64.so.2 --library-path lib ./e2fsck -fn "$dev"' \
		>"$T/fsck" 2>&1 || fail "guest $1: e2fsck: $(cat "$T/fsck")"
}

# A writer and reader in the background: files /var/tmp/load/N, their sums in /run/load.sums.
start_workload() # NAME
{
	guest "$1" 20 '
		mkdir -p /var/tmp/load
		cat >/run/load.sh <<"END"
		i=0
		while [ ! -e /run/load.stop ]; do
			i=$((i + 1))
			head -c $((i * 7919 % 300000 + 1)) /dev/urandom >/run/load.new
			cp /run/load.new /var/tmp/load/$i || echo "cp $i failed" >>/run/load.errors
			sum=$(sha256sum </run/load.new)
			echo "${sum%% *}  /var/tmp/load/$i" >>/run/load.sums
			[ $((i % 8)) != 0 ] || sync
			[ $((i % 5)) != 0 ] || rm -f /var/tmp/load/gone && cp /run/load.new /var/tmp/load/gone
			cat /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/bin/git >/dev/null ||
				echo "read $i failed" >>/run/load.errors
			sleep 0.1
		done
		touch /run/load.stopped
END
		setsid sh /run/load.sh >/run/load.log 2>&1 </dev/null &
		i=0; until test -s /run/load.sums || [ $i = 150 ]; do sleep 0.1; i=$((i + 1)); done
		test -s /run/load.sums'
}

workload_files() { guest "$1" 10 'wc -l </run/load.sums' | tr -d ' '; } # NAME

stop_workload() # NAME
{
	guest "$1" 60 'touch /run/load.stop
		i=0; while [ ! -e /run/load.stopped ] && [ $i -lt 500 ]; do sleep 0.1; i=$((i + 1)); done
		test -e /run/load.stopped' || fail "guest $1: the workload hangs"
	refute "guest $1: the workload saw errors" guest "$1" 5 'cat /run/load.errors'
}

assert_workload() # NAME
{
	guest "$1" 120 'sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum -c /run/load.sums |
		grep -v ": OK$"' >"$T/work.out" 2>&1 || true
	[ ! -s "$T/work.out" ] || fail "guest $1: written files differ: $(head -n 5 "$T/work.out")"
}
