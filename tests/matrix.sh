#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# alone: what it measures goes into a table
# One row of tests/matrix/rows, the one that this script is called by the name of: Debian boots with its own initramfs to
# login, is resident, the server is stopped, every file of the image is right with all that it has
# beside its content, and systemd powers it off.
#
#	tests/matrix.sh --list [WORD]	makes a test of each row, in build/matrix/, or of those with WORD as `when`
#	tests/matrix.sh --rest		of those without `check`
#	tests/matrix.sh --forget	forgets what the table says of earlier runs
#	tests/matrix.sh --table		prints what was measured, and what hydroot adds to each initramfs
#	build/matrix/bookworm-dracut-hybrid-ext4	runs that one

rows() { sed 's/#.*//; /^[[:space:]]*$/d' "$(dirname "$(readlink -f "$0")")/matrix/rows"; }

# A link for each row, because a test is a file.
list() # AWK-CONDITION
{
	mkdir -p build/matrix
	rows | awk "$1"' { sub(/\+/, "-", $4); print $1 "-" $2 "-" $3 "-" $4 }' |
		while read -r name; do
			ln -sfn ../../tests/matrix.sh "build/matrix/$name"
			echo "build/matrix/$name"
		done
}

table()
{
	compgen -G 'build/matrix/*.result' >/dev/null || return 0
	printf '\n%-40s %-7s %9s %9s %9s %9s %9s\n' 'seconds since the kernel started' network init login \
		resident 'MB then' 'MB in all'
	cat build/matrix/*.result
	printf '\n%s\n' 'init: when the first process of the root began.  MB then: fetched until login.'
	local sizes
	for sizes in build/matrix/*.sizes; do
		[ ! -e "$sizes" ] || { echo; cat "$sizes"; }
	done
}

case ${1-} in
--*)
	cd "$(dirname "$0")/.." || exit 1
	case $1 in
	--list) list "index(\",\" \$6 \",\", \",${2-},\") || \"${2-}\" == \"\"" ;;
	--rest) list '!index("," $6 ",", ",check,")' ;;
	--forget) rm -f build/matrix/*.result build/matrix/*.sizes ;;
	--table) table ;;
	*) echo "matrix: $1: no such option" >&2; exit 2 ;;
	esac
	exit
	;;
esac

# shellcheck source=tests/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"

name=$(basename "$0")
read -r suite builder mode root network when < <(rows |
	awk -v name="$name" '{ n = $1 "-" $2 "-" $3 "-" $4; sub(/\+/, "-", n) } n == name') ||
	fail "$name: no row of tests/matrix/rows; see tests/matrix.sh --list"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap

# --- what is booted -------------------------------------------------------------------------------

filesystem=${root%+*}
[ "$filesystem" != tmpfs ] || filesystem=ext4
case $filesystem in
xfs | erofs | squashfs | btrfs)
	grep -qw "$filesystem" /proc/filesystems || modprobe -q "$filesystem" ||
		skip "this kernel has no $filesystem to make the image with"
	;;
esac
tests/image.sh "$suite-$filesystem"
case $suite-$filesystem in
bookworm-ext4) image=$IMAGES/served/good ;;
bookworm-*) image=$IMAGES/$filesystem ;;
*) image=$IMAGES/$suite-$filesystem ;;
esac
GUEST_BASE=$IMAGES/base
[ "$suite" = bookworm ] || GUEST_BASE=$IMAGES/$suite-base
GUEST_KERNEL=$GUEST_BASE/vmlinuz
# shellcheck disable=SC2034 # read by start_guest
GUEST_MEMORY=1536

sizes=$TOP/build/matrix/$suite-$builder.sizes
case $builder in
standalone)
	[ "$suite" = bookworm ] || tests/image.sh "$suite-standalone"
	initrd=$IMAGES/boot/initramfs.img
	[ "$suite" = bookworm ] || initrd=$IMAGES/$suite-standalone/initramfs.img
	tests/initrd-sizes.sh "$suite-standalone" "$initrd" >"$sizes"
	;;
*)
	variant=
	[ "$builder" != dracut-shell ] || variant=shell
	tests/distro.sh "$suite" "${builder%-shell}" "$variant" >"$sizes"
	initrd=$IMAGES/$suite-$builder/initrd.img
	;;
esac

append()
{
	case $network in
	static) echo "rw $GUEST_IP" ;;
	dhcp) echo 'rw ip=dhcp' ;;
	esac
	case $mode in full | stream) echo "rd.hydroot.mode=$mode" ;; esac
	case $root in
	*+zram) echo 'rd.hydroot.overlay=zram' ;;
	tmpfs) echo 'rd.hydroot.root-in=tmpfs' ;;
	esac
	case ,$when, in *,pids,*) echo 'rd.hydroot.fill=manual' ;; esac
	local web=http://$GUEST_HOST:${nginx_port[web]}
	case $mode in
	ram) echo "root=ram rootimage=$web/debian.hri" ;;
	*) echo "root=hydroot:$web/debian.hri" ;;
	esac
	echo "rd.hydroot.report=$web/report?node=$name"
}

# --- what is seen ---------------------------------------------------------------------------------

# Seconds of the kernel's clock at which PID 1 of the root began, and at which there was a login prompt.
seconds_of_init()
{
	guest g 60 dmesg | sed -n 's/^\[ *\([0-9.]*\)[0-9]\{5\}\] systemd\[1\]: systemd .* running in system mode.*/\1/p' |
		tail -n 1
}

seconds_of_login()
{
	guest g 60 'systemctl show -P ActiveEnterTimestampMonotonic serial-getty@ttyS0' |
		awk '{ printf "%.1f", $1 / 1e6 }'
}

megabytes() { echo "$1" | awk '{ printf "%.1f", $1 / 1e6 }'; }

assert_filesystem()
{
	local want=$root
	case $root in squashfs | erofs | *+*) want=overlay ;; esac
	assert_equal "the filesystem of /" "$want" "$(guest g 60 'findmnt -no FSTYPE /')"
	case $mode-$root in
	*-ext4 | *-xfs | *-btrfs)
		[ "$mode" = local ] || guest g 60 'findmnt -no OPTIONS / | grep -q "discard"' ||
			fail "the root is mounted without discard"
		;;
	esac
	case $root in
	*+zram) guest g 60 'awk "\$2 ~ /hydroot/ || \$1 ~ /zram/" /proc/mounts' | grep -q zram ||
		fail "nothing of zram is mounted for the overlay" ;;
	esac
}

# The processes of the daemon that the initramfs has seen just before the switch are those that run now.
assert_processes()
{
	guest g 60 'cat /run/hydroot-test/pids' >"$T/pids"
	assert_equal "processes of the daemon in the initramfs" 2 "$(wc -l <"$T/pids")"
	guest g 60 'for p in $(cat /run/hydroot-test/pids); do
		tr "\0" " " <"/proc/$p/cmdline" | grep "^@hydrootd" || echo "$p has ended"; done' >"$T/live" 2>&1
	refute "a process of the daemon did not survive switch_root: $(cat "$T/live")" grep -q ended "$T/live"
	assert_equal "restarts of the serving process" 0 "$(guest_status g .restarts.serve)"
	note "keeper and serving process are those of the initramfs: $(xargs <"$T/pids")"
}

# Neither processes nor FUSE nor loop devices; below the root there is zram only, or nothing.
assert_nothing_left()
{
	guest g 60 '
		for p in /proc/[0-9]*; do
			{ tr "\0" " " <$p/cmdline; } 2>/dev/null | grep -q hydrootd && echo "process ${p#/proc/}"
		done
		mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections 2>/dev/null
		ls /sys/fs/fuse/connections
		for f in /sys/block/loop*/loop/backing_file; do [ ! -e $f ] || cat $f; done
		for s in /sys/block/dm-*/slaves/*; do
			case ${s##*/} in zram* | \*) ;; *) echo $s ;; esac
		done
		'"$([ "$root" != tmpfs ] || echo 'for s in /sys/block/zram*/disksize; do
			[ ! -e $s ] || [ $(cat $s) = 0 ] || echo $s; done; ls -d /sys/block/dm-* 2>/dev/null')"'
		true' >"$T/left" 2>&1
	[ ! -s "$T/left" ] || { cat "$T/left"; return 1; }
}

# Filesystems differ in what they can keep at all.
attributes_of() # FILE
{
	case $root in
	squashfs*) grep -v 'system.posix_acl' "$1" ;;
	*) cat "$1" ;;
	esac | case $root-$suite in
	tmpfs-bookworm) grep -v ' user\.' ;;	# Linux has them since 6.6
	xfs-*) grep -v ' trusted\.SGI_ACL_' ;;	# its own name for an ACL
	*) cat ;;
	esac
}

assert_attributes()
{
	# Not by the agent's busybox, whose sh and find are others.
	guest g 120 'PATH=/usr/sbin:/usr/bin /bin/sh /usr/local/lib/hydroot-test/attributes.sh' >"$T/got.all"
	attributes_of "$GUEST_BASE/attributes" >"$T/want"
	attributes_of "$T/got.all" >"$T/got"
	assert "there is something to compare" test "$(wc -l <"$T/want")" -gt 100
	cmp -s "$T/want" "$T/got" || fail "attributes differ: $(diff "$T/want" "$T/got" | head -n 20)"
	assert_top
}

# "/" itself: its mode and owner, and the names of its attributes that are part of a system.
top_of_image()
{
	debugfs -R 'stat <2>' "$GUEST_BASE/rootfs.ext4" 2>/dev/null | awk '
		/ Mode: / { sub(/.* Mode: *0*/, ""); mode = $1 }
		/^User: / { print mode, $2 ":" $4 }'
	debugfs -R 'ea_list <2>' "$GUEST_BASE/rootfs.ext4" 2>/dev/null |
		sed -nE 's/^ *((security|system)\.[^ ]*) \(.*/\1/p' | sort
}

top_of_guest()
{
	# By their paths: the agent's shell has some of its own.
	guest g 60 '/usr/bin/stat -c "%a %u:%g" /
		/usr/bin/getfattr --absolute-names -m "^(security|system)\\." / | sed "/^#/d; /^\$/d" | sort'
}

assert_top()
{
	local want
	want=$(top_of_image)
	assert "the image's / is known" test -n "$want"
	assert_equal "what / is and has" "$want" "$(top_of_guest)"
}

assert_reported() # EVENT
{
	wait_for 60 "the report of $1" grep -q "POST /report?node=$name&event=$1 " "$(nginx_log web)"
}

power_off()
{
	end_guest g
	refute "the kernel panics" console_has g 'Kernel panic'
	refute "shutdown had trouble" console_has g 'Failed to (unmount|umount)|I/O error|EXT4-fs error|XFS.*rror'
	note "powered off"
}

result() # RESIDENT MB-THEN MB-IN-ALL
{
	printf '%-40s %-7s %9s %9s %9s %9s %9s\n' "$suite $builder $mode $root" "$network" "$init" "$login" \
		"$@" >"$TOP/build/matrix/$name.result"
	note "init $init s, login $login s, resident $1 s; $2 MB, $3 MB"
}

mkdir -p "$TOP/build/matrix"
rm -f "$TOP/build/matrix/$name.result"

if [ "$mode" = local ]; then
	note "starting"
	start_guest g "$initrd" 'rw root=/dev/vda' \
		-drive "file=$GUEST_BASE/rootfs.ext4,format=raw,if=virtio,snapshot=on"
	wait_login g
	wait_agent g
	assert_filesystem
	init=$(seconds_of_init) login=$(seconds_of_login)
	assert_attributes
	power_off
	result - - -
	exit 0
fi

start_nginx web "$image"
note "starting: $(append | xargs)"
start_guest g "$initrd" "$(append | xargs)"
wait_login g
bytes=$(nginx_bytes "$(nginx_log web)")
wait_agent g
note "login"
init=$(seconds_of_init) login=$(seconds_of_login) resident=-
assert_filesystem
case $when in *pids*) assert_processes ;; esac
guest g 60 'head -c 5000000 /dev/urandom >/var/tmp/written && sha256sum /var/tmp/written >/run/written'

assert_reported attached
assert_reported switch_root
case $mode in
stream)
	assert_equal "state" streaming "$(guest_status g .state)"
	;;
*)
	case $when in *pids*) guest_hydroot g 60 'resume root' ;; esac
	wait_resident g
	case $when in *pids*) ;; *) resident=$(guest_status g '.seconds.resident * 10 | round / 10') ;; esac
	assert_reported resident
	# Else the network is given back 15 s late.
	wait_for 5 "the end of that report" guest g 5 'test -e /run/hydroot/root/reported'
	stop_nginx web
	wait_for 30 "hydroot to be gone: $(cat "$T/left" 2>/dev/null)" assert_nothing_left
	assert_equal "state, told by what the daemon left" resident "$(guest_status g .state)"
	note "resident, server stopped, nothing of hydroot is left"
	;;
esac
assert_manifest g
guest g 60 'sha256sum -c /run/written' >"$T/written" 2>&1 || fail "what was written is wrong: $(cat "$T/written")"
note "all files are right"
assert_attributes
note "owners, modes, links, capabilities, ACLs and labels are right"
total=$(nginx_bytes "$(nginx_log web)")
power_off
result "$resident" "$(megabytes "$bytes")" "$(megabytes "$total")"
