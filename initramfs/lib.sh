# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# lib.sh - what every initramfs system needs around hydrootd: messages on the console, mounting
# the device as the root, the checks before the switch, and the end of a boot that cannot go on
#
# Sourced, POSIX sh, no side effects.  It reads the hydroot_* variables that
# `eval "$(hydrootd --print-config)"` has set and nothing else of the command line: that is parsed
# in C, once.  Functions start with hr_; those that answer print it, those that judge return 0 or 1.

hr_console=${hr_console:-/dev/console}
hr_log=${hr_log:-/dev/kmsg}
hr_said=${hr_said:-/run/hydroot/.said}	# what a command said that had its time

# What was mounted and made for the layer over a root, for hr_undo in ladder.sh.
hr_layer_device=/run/hydroot/.overlay/device

hr_is_true()
{
	case ${1:-} in
	1 | y | yes | on | true) return 0 ;;
	*) return 1 ;;
	esac
}

# --- messages -----------------------------------------------------------------------------------

# Where the console cannot be opened, as with console= for a port that this machine lacks, the kernel's log stands
# for it: a command whose output cannot be opened is not run at all, and `exec` even ends the shell.
hr_find_console()
{
	! { true >"$hr_console"; } 2>/dev/null || return 0
	hr_console=$hr_log
	{ true >"$hr_console"; } 2>/dev/null || hr_console=/dev/null
}

hr_has_console()
{
	case $hr_console in
	"$hr_log" | /dev/null) return 1 ;;
	esac
}

# Seconds since the kernel started, as the kernel's own lines show them.
hr_uptime()
{
	hr_up=0.00
	{ read -r hr_up _ </proc/uptime; } 2>/dev/null || :
	printf '%12s' "${hr_up}0000"
}

# The same in whole seconds.
hr_seconds()
{
	hr_up=0
	{ read -r hr_up _ </proc/uptime; } 2>/dev/null || :
	echo "${hr_up%%.*}"
}

hr_print()
{
	if ! hr_has_console; then
		[ "${hr_logged:-}" = "$*" ] || hr_kmsg "$*"
		return 0
	fi
	{ printf '[%s] hydroot: %s\n' "$(hr_uptime)" "$*" >"$hr_console"; } 2>/dev/null || :
}

# The kernel's log keeps it for the journal of the root.  Level 7 stays off the console, where
# hr_print has been already.
hr_kmsg()
{
	hr_logged=$*
	{ printf '<7>hydroot: %s\n' "$*" >"$hr_log"; } 2>/dev/null || :
}

# A step that was taken; `quiet` keeps it off the console.
hr_say()
{
	hr_kmsg "$*"
	[ -n "${hr_quiet:-}" ] || hr_print "$*"
}

# The same on the console with `quiet`, too.
hr_tell()
{
	hr_kmsg "$*"
	hr_print "$*"
}

hr_warn()
{
	hr_tell "warning: $*"
}

# --- the root -----------------------------------------------------------------------------------

# N bytes of DEVICE from OFFSET on, as hex digits.
hr_bytes()
{
	dd if="$1" bs=1 skip="$2" count="$3" 2>/dev/null | od -An -v -tx1 | tr -d ' \n'
}

# The filesystem on DEVICE by its magic number, or nothing.  busybox may lack blkid.
hr_fs_type()
{
	case $(hr_bytes "$1" 0 4) in
	68737173) echo squashfs; return ;;
	58465342) echo xfs; return ;;
	esac
	case $(hr_bytes "$1" 1024 4) in
	e2e1f5e0) echo erofs; return ;;
	esac
	case $(hr_bytes "$1" 1080 2) in
	53ef) echo ext4; return ;;
	esac
	case $(hr_bytes "$1" 65600 8) in
	5f42485266535f4d) echo btrfs; return ;;
	esac
}

hr_can_discard()
{
	hr_dev=$(readlink -f "$1")
	hr_max=0
	hr_file=/sys/class/block/${hr_dev##*/}/queue/discard_max_bytes
	{ read -r hr_max <"$hr_file"; } 2>/dev/null || :
	[ "$hr_max" != 0 ]
}

# Mount options of a TYPE on DEVICE, or of one that nothing is written to (ro).  Deleted files must
# give their RAM back: discard, also for a root that is mounted ro now and remounted rw by its own fstab.
hr_mount_options()
{
	hr_opts=rw
	if [ "${3:-}" = ro ] || hr_is_true "${hydroot_root_ro:-}" || hr_is_read_only_type "$1"; then
		hr_opts=ro
	fi
	hr_opts=$hr_opts${hydroot_rootflags:+,$hydroot_rootflags}
	case $1:,$hr_opts, in
	*,discard,* | *,discard=* | *,nodiscard,*) ;;
	ext4:* | xfs:* | btrfs:*)
		if hr_can_discard "$2"; then
			hr_opts=$hr_opts,discard
		fi
		;;
	esac
	echo "$hr_opts"
}

hr_is_read_only_type()
{
	case $1 in
	squashfs | erofs | iso9660) return 0 ;;
	*) return 1 ;;
	esac
}

# Where writes to a root of TYPE go: none (in place, if it can be written), tmpfs, zram.  What the first image is mounted
# without a layer for says nothing of the fallback.
hr_overlay_kind()
{
	case ${hydroot_overlay:-auto}:${hr_is_fallback:-} in
	auto:* | none:1)
		if hr_is_read_only_type "$1"; then echo tmpfs; else echo none; fi
		;;
	*) echo "$hydroot_overlay" ;;
	esac
}

# The types to try, one after the other: that of the magic number, MAGIC, if rootfstype=, a list, has it or is not given.
# For the fallback rootfstype= counts only where the magic number says nothing.
hr_types() # MAGIC
{
	case ${1:+known}:${hr_is_fallback:-}:,${hydroot_rootfstype:-}, in
	known:1:* | known::,, | known::*",$1,"*) echo "$1" ;;
	*) echo "${hydroot_rootfstype:-}" | tr , ' ' ;;
	esac
}

# Mount DEVICE at DIR as the command line wants it; on failure hr_error says why.
hr_mount_root()
{
	hr_magic=$(hr_fs_type "$1")
	hr_list=$(hr_types "$hr_magic")
	if [ -z "$hr_list" ] && ! dd if="$1" bs=4096 count=1 >/dev/null 2>&1; then
		hr_error="$1: cannot be read: see above"
		return 1
	fi
	if [ -z "$hr_list" ]; then
		hr_error="$1: no filesystem that is known by its magic number: give rootfstype="
		return 1
	fi
	hr_fits=
	for hr_type in $hr_list; do
		! hr_mount_type "$1" "$2" || return 0
		[ -z "$hr_fits" ] || return 1
	done
	[ -n "${hr_is_fallback:-}" ] && [ -n "${hydroot_rootflags:-}" ] || return 1
	hr_warn "fallback: rootflags=$hydroot_rootflags: not for this one: mounted without"
	hydroot_rootflags=
	hr_mount_root "$1" "$2"
}

# DEVICE at DIR as $hr_type.  hr_fits is set when that is its type, whatever fails then.
hr_mount_type()
{
	if [ "${hydroot_root_in:-store}" = tmpfs ]; then
		if [ "${hydroot_mode:-}" = full ]; then
			hr_mount_tmpfs "$1" "$2"
			return
		fi
		hr_warn "root-in=tmpfs: only with mode=full: the root stays in the store"
	fi
	hr_kind=$(hr_overlay_kind "$hr_type")
	if [ "$hr_kind" != none ]; then
		hr_mount_overlay "$1" "$2" "$hr_kind"
		return
	fi
	hr_opts=$(hr_mount_options "$hr_type" "$1")
	hr_mount "$hr_type" "$hr_opts" "$1" "$2"
}

# mount -t TYPE -o OPTIONS DEVICE DIR, within $hr_limit seconds if that is set
hr_mount()
{
	if [ -n "${hr_limit:-}" ]; then
		! hr_within "$hr_limit" mount -t "$1" -o "$2" "$3" "$4" || return 0
	else
		! hr_text=$(mount -t "$1" -o "$2" "$3" "$4" 2>&1) || return 0
	fi
	hr_error="$3: mount as $1 ($2): ${hr_text:-failed}"
	hr_is_type "$1" || hr_error="$1: this kernel cannot mount it: its module is not in the initramfs (hydroot-check)"
	return 1
}

# Does the kernel know filesystems of TYPE?  What a list of mount's own stands for, and helpers of others, it need not.
hr_is_type()
{
	case $1 in
	ext4 | xfs | btrfs | squashfs | erofs | overlay) ;;
	*) return 0 ;;
	esac
	grep -q "[[:space:]]$1\$" "${hr_filesystems:-/proc/filesystems}"
}

# hr_within SECONDS COMMAND...: what it says is in hr_text.  By a file: a pipe would be waited for as long as
# anything lives that the command has started.
hr_within()
{
	hr_status=0
	timeout -s KILL "$@" >"$hr_said" 2>&1 </dev/null || hr_status=$?
	hr_text=$(cat "$hr_said")
	rm -f "$hr_said"
	case $hr_status in 124 | 137 | 143) hr_text="no end within $1 s" ;; esac
	return $hr_status
}

# The filesystem of DEVICE with a writable layer of KIND over it.  /run is handed over, so the layer
# lives there, under a name that no attachment can have.
hr_mount_overlay()
{
	hr_dir=/run/hydroot/.overlay
	mkdir -p "$hr_dir/lower" "$hr_dir/layer"
	hr_opts=$(hr_mount_options "$hr_type" "$1" ro)
	hr_mount "$hr_type" "$hr_opts" "$1" "$hr_dir/lower" || return
	hr_fits=1
	"hr_layer_$3" "$hr_dir/layer" || return
	mkdir -p "$hr_dir/layer/upper" "$hr_dir/layer/work"
	chmod 755 "$hr_dir/layer/upper"
	# What "/" is and has is taken from there.
	hr_text=$(hydroot copy-tree --top "$hr_dir/lower" "$hr_dir/layer/upper" 2>&1) ||
		hr_warn "overlay: / is not all that it is in the image: ${hr_text:-copying failed}"
	hr_opts=rw
	if hr_is_true "${hydroot_root_ro:-}"; then
		hr_opts=ro
	fi
	hr_opts=$hr_opts,lowerdir=$hr_dir/lower
	hr_opts=$hr_opts,upperdir=$hr_dir/layer/upper,workdir=$hr_dir/layer/work
	hr_mount overlay "$hr_opts" hydroot-root "$2"
}

hr_layer_tmpfs()
{
	hr_mount tmpfs mode=755,size=50% hydroot-layer "$1"
}

# A line of /proc/meminfo in KiB.
hr_meminfo()
{
	while read -r hr_key hr_value _; do
		if [ "$hr_key" = "$1:" ]; then
			echo "$hr_value"
			return
		fi
	done </proc/meminfo
}

# ext2 on a zram device of its own: it needs neither journal nor e2fsprogs.  As large as the RAM (but
# an inode table has to be written), using half of it at most.
hr_layer_zram()
{
	if ! command -v mke2fs >/dev/null; then
		hr_error="overlay=zram: mke2fs is not in the initramfs: overlay=tmpfs works without"
		return 1
	fi
	hr_mem=$(hr_meminfo MemTotal)
	if [ "$hr_mem" -gt 33554432 ]; then hr_mem=33554432; fi
	if ! hr_n=$(cat "${hr_sys:-/sys}/class/zram-control/hot_add" 2>/dev/null); then
		hr_error="overlay=zram: no zram device can be made: overlay=tmpfs works without"
		return 1
	fi
	echo "$hr_n" >"$hr_layer_device"
	mkdir -p /run/hydroot/.devices
	true >"/run/hydroot/.devices/zram$hr_n"
	if ! { echo "$((hr_mem * 1024))" >"${hr_sys:-/sys}/block/zram$hr_n/disksize"; } 2>/dev/null; then
		hr_error="overlay=zram: zram$hr_n: $((hr_mem / 1024)) MiB are refused: overlay=tmpfs works without"
		return 1
	fi
	echo "$((hr_mem * 512))" >"${hr_sys:-/sys}/block/zram$hr_n/mem_limit" || :
	if ! hr_text=$(mke2fs -F -b 4096 -m 0 -L hydroot-layer "/dev/zram$hr_n" 2>&1); then
		hr_error="overlay=zram: mke2fs: $hr_text"
		return 1
	fi
	hr_mount ext4 discard "/dev/zram$hr_n" "$1"
}

# The zram device of the layer, if there is one, gives its memory back.
hr_free_layer()
{
	{ read -r hr_n <"$hr_layer_device"; } 2>/dev/null || return 0
	rm -f "$hr_layer_device" "/run/hydroot/.devices/zram$hr_n"
	{
		echo 1 >"/sys/block/zram$hr_n/reset"
		echo "$hr_n" >/sys/class/zram-control/hot_remove
	} 2>/dev/null || hr_warn "/dev/zram$hr_n: cannot be removed: its memory stays in use"
}

# The root of DEVICE copied into a tmpfs at DIR, the memory of the image given back.  All of it has to be there
# twice for a moment, which must not end in the hands of the OOM killer: the tmpfs gets what is available.
hr_mount_tmpfs()
{
	hr_dir=/run/hydroot/.image
	mkdir -p "$hr_dir"
	hr_opts=$(hr_mount_options "$hr_type" "$1" ro)
	hr_mount "$hr_type" "$hr_opts" "$1" "$hr_dir" || return
	hr_fits=1
	hr_room=$(hr_meminfo MemAvailable)
	hr_need=$(hr_used_kib "$hr_dir")
	if [ "$hr_need" -ge "$hr_room" ]; then
		hr_error="root-in=tmpfs: the root has $((hr_need / 1024)) MiB, $((hr_room / 1024)) MiB"
		hr_error="$hr_error are available beside the image: root-in=store, or more memory"
		return 1
	fi
	hr_mount tmpfs "mode=755,nr_inodes=0,size=${hr_room}k" hydroot-root "$2" || return
	hr_say "root: copying $((hr_need / 1024)) MiB into a tmpfs"
	if ! hr_text=$(hydroot copy-tree "$hr_dir" "$2" 2>&1); then
		hr_error="root-in=tmpfs: ${hr_text:-copying failed}"
		return 1
	fi
	umount "$hr_dir"
	hr_free_image
	hr_opts=rw
	if hr_is_true "${hydroot_root_ro:-}"; then
		hr_opts=ro
	fi
	mount -o "remount,$hr_opts,size=90%" "$2"
	hr_type=tmpfs
}

hr_used_kib()
{
	df -Pk "$1" | {
		read -r _
		read -r _ _ hr_used _
		echo "$hr_used"
	}
}

# Whoever asks for the status later gets the last one.
hr_free_image()
{
	hr_text=$(cat /run/hydroot/root/status.json 2>/dev/null)
	hydroot detach root || hr_warn "root-in=tmpfs: the image still takes memory"
	[ -e /run/hydroot/root ] || mkdir -m 755 /run/hydroot/root
	echo "$hr_text" >/run/hydroot/root/status.json
	true >/run/hydroot/root/resident
	# What the daemon would say; it may still be about it.
	true >/run/hydroot/root/reported
	# shellcheck disable=SC2034 # read in ladder.sh: there is nothing to detach any more
	hr_device=
}

# Does the root in DIR have the modules of the running kernel?  Without them it boots, but lacks
# every driver that is not loaded yet.  Returns 1 only where kernel-check=fail; images that list their
# kernels have been compared by hydrootd.
hr_check_kernel()
{
	hr_release=$(uname -r)
	if [ "${hydroot_kernel_check:-warn}" = off ] ||
		[ -d "$1/usr/lib/modules/$hr_release" ] || [ -d "$1/lib/modules/$hr_release" ]; then
		return 0
	fi
	hr_error="/lib/modules/$hr_release: not in the image: boot its own kernel or add them"
	if [ "${hydroot_kernel_check:-warn}" = fail ]; then
		return 1
	fi
	hr_warn "$hr_error"
}

# The path below DIR to which PATH leads when DIR is the root, all symbolic links followed; 1: a loop
hr_path_in_root()
{
	hr_done='' hr_todo=$2 hr_n_links=0
	while [ -n "$hr_todo" ]; do
		hr_part=${hr_todo%%/*}
		hr_todo=${hr_todo#"$hr_part"}
		hr_todo=${hr_todo#/}
		case $hr_part in
		'' | .) continue ;;
		..)
			hr_done=${hr_done%/*}
			continue
			;;
		esac
		if [ ! -h "$1$hr_done/$hr_part" ]; then
			hr_done=$hr_done/$hr_part
			continue
		fi
		hr_n_links=$((hr_n_links + 1))
		[ "$hr_n_links" -le 40 ] || return 1
		hr_link=$(readlink "$1$hr_done/$hr_part")
		case $hr_link in
		/*) hr_done= ;;
		esac
		hr_todo=$hr_link/$hr_todo
	done
	echo "$1$hr_done"
}

# Can the root in DIR be switched to?  Sets hr_init.  Without init= it is one of those that the initramfs system looks for.
hr_check_root()
{
	for hr_dir in dev proc sys run; do
		if [ ! -d "$1/$hr_dir" ]; then
			hr_error="/$hr_dir: not in the image: make that directory"
			return 1
		fi
	done
	for hr_init in ${hydroot_init:-${hr_inits:-/sbin/init /usr/lib/systemd/systemd /etc/init /bin/init}}; do
		if hr_file=$(hr_path_in_root "$1" "$hr_init") && [ -f "$hr_file" ] &&
			[ -x "$hr_file" ]; then
			return 0
		fi
	done
	hr_error="${hydroot_init:-/sbin/init}: not an executable file in the image: give init="
	return 1
}

# The init of the root at DIR, for an initramfs system that looks from outside whether it can be executed, where a link that
# begins with / leads elsewhere.  Without such a link the name stays, since some programs go by it.
hr_init_from_outside()
{
	if [ ! -x "$1$hr_init" ] && hr_file=$(hr_path_in_root "$1" "$hr_init"); then
		echo "${hr_file#"$1"}"
	else
		echo "$hr_init"
	fi
}

# --- the end ------------------------------------------------------------------------------------

# Seconds to wait before a reboot: panic=N where given, else 1 to 10 minutes by chance, so that a
# rack whose server is away does not come back all at once.
hr_reboot_delay()
{
	if [ -n "${hydroot_onfail_delay:-}" ]; then
		echo "$hydroot_onfail_delay"
		return
	fi
	case ${hydroot_panic:-} in
	-*) echo 0 ;;
	'' | 0 | *[!0-9]*)
		hr_chance=$(od -An -N2 -tu2 /dev/urandom 2>/dev/null)
		echo $((60 + ${hr_chance:-0} % 541))
		;;
	# The shell would take 08 for octal.
	*) echo "$hydroot_panic" | sed 's/^0*\(.\)/\1/' ;;
	esac
}

# A kernel that was started to save the memory of one that crashed: it has little memory of its own
# and something else to do.
hr_is_kdump()
{
	[ -e "${hr_vmcore:-/proc/vmcore}" ]
}

# Wait N seconds, saying once a minute and for the last ten seconds how many are left.
hr_count_down()
{
	hr_left=$2
	hr_print "$1: in $hr_left s"
	while [ "$hr_left" -gt 0 ]; do
		hr_step=$((hr_left % 60))
		if [ "$hr_left" -le 10 ]; then
			hr_step=1
		elif [ "$hr_left" -lt 70 ]; then
			hr_step=$((hr_left - 10))
		elif [ "$hr_step" = 0 ]; then
			hr_step=60
		fi
		sleep "$hr_step"
		hr_left=$((hr_left - hr_step))
		if [ "$hr_left" = 10 ] || [ $((hr_left % 60)) = 0 ] && [ "$hr_left" -gt 0 ]; then
			hr_print "$1: in $hr_left s"
		fi
	done
}

# The boot cannot go on: say why, then do what onfail= wants.  Does not return.
hr_fail()
{
	hr_tell "failed: $*"
	if command -v hr_report >/dev/null; then
		hr_report failed 2
	fi
	if command -v hr_on_failure >/dev/null; then
		hr_on_failure
	fi
	if hr_is_true "${hydroot_rd_shell:-}"; then
		hr_print "rd.shell: a shell; then onfail=${hydroot_onfail:-reboot}"
		hr_shell
	fi
	case ${hydroot_onfail:-reboot} in
	poweroff)
		hr_print "onfail=poweroff"
		hr_end poweroff
		;;
	rescue) hr_rescue ;;
	*)
		hr_count_down onfail=reboot "$(hr_reboot_delay)"
		hr_end reboot
		;;
	esac
}

hr_end()
{
	sync
	"$1" -f
	sleep 10
	hr_print "$1: did not work"
	while :; do
		sleep 3600
	done
}

# The initramfs as a small system of its own: whatever network there is, ssh where it was built in
# with keys, a shell on the console only with rd.shell.
hr_rescue()
{
	hr_print "onfail=rescue: waiting for someone; rd.shell gives a shell"
	# What failed may have been the first step of all.
	! command -v hr_modules >/dev/null || hr_modules
	! command -v hr_coldplug >/dev/null || hr_coldplug
	mkdir -p /dev/pts
	mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts 2>/dev/null || :
	while :; do
		if command -v hr_rescue_network >/dev/null; then
			hr_rescue_network
		fi
		hr_start_ssh
		! hr_is_true "${hydroot_rd_shell:-}" || hr_shell || :
		# Also after a shell: one whose console has nobody to read ends at once.
		sleep 30
	done
}

# Once, when there is an address.  Keys only; host keys are made when the first one comes.
hr_start_ssh()
{
	if [ -n "${hr_has_ssh:-}" ] || ! command -v dropbear >/dev/null; then
		return
	fi
	hr_list=$(ip -o addr show scope global up 2>/dev/null | while read -r _ _ _ hr_address _; do
		printf ' %s' "${hr_address%/*}"
	done)
	[ -n "$hr_list" ] || return 0
	mkdir -p /etc/dropbear
	hr_take_ssh_keys
	if dropbear -R -s -j -k; then
		hr_has_ssh=1
		hr_print "onfail=rescue: ssh answers at$hr_list"
	fi
}

# Those of /etc/hydroot become root's, where an adapter has put them; not every initramfs knows root.
hr_take_ssh_keys()
{
	[ -e /etc/hydroot/authorized_keys ] || return 0
	grep -qs '^root:' /etc/passwd || echo 'root:x:0:0:root:/root:/bin/sh' >>/etc/passwd
	[ -e /etc/shells ] || echo /bin/sh >/etc/shells
	hr_home=$(sed -n 's/^root:.*:\([^:]*\):[^:]*$/\1/p' /etc/passwd)
	mkdir -p "$hr_home/.ssh"
	chmod go-w "$hr_home"
	chmod 700 "$hr_home/.ssh"
	cat /etc/hydroot/authorized_keys >>"$hr_home/.ssh/authorized_keys"
	chmod 600 "$hr_home/.ssh/authorized_keys"
}

# 1: there is none, as without a console, or in an initramfs system that keeps it away.
hr_shell()
{
	if ! hr_has_console; then
		[ -n "${hr_said_no_shell:-}" ] || hr_print "no shell: there is no console"
		hr_said_no_shell=1
		return 1
	fi
	# shellcheck disable=SC2094 # a terminal is read and written
	if command -v cttyhack >/dev/null; then
		setsid cttyhack sh <"$hr_console" >"$hr_console" 2>&1 || :
	else
		setsid sh <"$hr_console" >"$hr_console" 2>&1 || :
	fi
}
