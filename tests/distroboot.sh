# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# distroboot.sh - the life of a root that a distribution's own initramfs mounts; sourced after
# qemu.sh by tests/boot/SUITE-BUILDER.sh
#
# To login with root=hydroot:URL as the only word that is hydroot's, resident by itself, the server
# stopped, every file of the image right, poweroff by systemd.

# life_of_root SUITE BUILDER VARIANT [APPEND]
life_of_root()
{
	local initrd image=$1-$2${3:+-$3}
	requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap
	tests/image.sh all
	tests/distro.sh "$1" "$2" "$3"
	initrd=$IMAGES/$image/initrd.img
	start_nginx web "$IMAGES/served/good"
	note "starting $image"
	# shellcheck disable=SC2154 # lib.sh's
	start_hydroot_guest g "$initrd" "http://$GUEST_HOST:${nginx_port[web]}/debian.hri" "${4-}"
	wait_login g
	note "login, root mounted at $(guest_seconds) s of the kernel's clock, $(($(nginx_bytes "$(nginx_log web)") / 1000000)) MB fetched"
	wait_agent g
	guest_hydroot g 200 'wait root --for=resident --timeout=3m' || fail "not resident in three minutes"
	note "resident"
	stop_nginx web
	# shellcheck disable=SC2317 # called by wait_for
	gone() { (assert_root_is_plain g); }
	wait_for 20 "hydroot to be gone" gone
	assert_equal "state, told by what the daemon left" resident "$(guest_status g .state)"
	note "server stopped; nothing of hydroot is left"
	assert_manifest g
	note "all files of the image are right"
	guest g 10 'grep -q "[, ]discard" /proc/mounts' || fail "the root is mounted without discard"
	assert_no_io_errors g
	guest g 5 'systemctl poweroff' || true
	wait_guest_end g 90
	refute "the kernel panics" console_has g 'Kernel panic'
	note "powered off"
}

# Seconds of the kernel's clock at which the root was mounted.
guest_seconds()
{
	tr -d '\r' <"$T/g.console" | sed -n 's/^\[ *\([0-9.]*\)\] hydroot: root: .* is mounted.*/\1/p' |
		tail -n 1
}
