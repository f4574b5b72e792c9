#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
# The rescue system, by ssh: where all servers are away and onfail=rescue, who has one of the keys comes in and has the
# tools of hydroot and busybox, and nobody else does.  When a server is back, an image can be attached by hand, and a reboot
# boots it.  Without a cable the network is tried again, and ssh answers when it is plugged in.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd mmdebstrap dropbear ssh ssh-keygen
tests/image.sh all
tests/distro.sh bookworm dracut ssh
web_port=$(free_port)
url=http://$GUEST_HOST:$web_port/debian.hri
failing="rd.hydroot.onfail=rescue rd.hydroot.attach-timeout=5s root=hydroot:$url"
ssh-keygen -q -t ed25519 -N '' -f "$T/other"

# boot NAME INITRAMFS APPEND: with ssh's port at $ssh_port of the host
boot()
{
	ssh_port=$(free_port)
	GUEST_NET=(-netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$ssh_port-10.0.2.15:22" \
		-device "virtio-net-pci,netdev=n0,romfile=")
	start_guest "$1" "$2" "rw $3 $failing"
}

# login KEY COMMAND [-tt]: by that key and nothing else; an emulator needs seconds for the handshake
login()
{
	timeout 120 ssh -F none ${3:+"$3"} -i "$1" -p "$ssh_port" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=100 \
		root@127.0.0.1 "$2" </dev/null
}
can_login() { login "$1" true; }

# What answers, to whom, and to whom not: NAME KEY
answers()
{
	local name=$1 key=$2
	wait_console "$name" "$GUEST_BOOT_SECONDS" 'hydroot: failed: attach: '
	wait_console "$name" 30 'hydroot: onfail=rescue: waiting for someone'
	wait_console "$name" 60 'hydroot: onfail=rescue: ssh answers'
	wait_for 120 "$name: a login by ssh" can_login "$key"
	assert_equal "$name: who it is" 0 "$(login "$key" 'busybox id -u')"
	login "$key" 'busybox vi --help' >"$T/out" 2>&1 || { cat "$T/out"; fail "$name: no vi"; }
	login "$key" 'hydroot --version' >"$T/out" 2>&1 || true
	assert_contains "$name: hydroot" '^hydroot [0-9]' "$T/out"
	login "$key" 'busybox ip -4 addr show' >"$T/out" 2>&1 || true
	assert_contains "$name: its address" 'inet 10\.0\.2\.15/' "$T/out"
	login "$key" 'busybox tty' -tt >"$T/out" 2>&1 || true
	assert_contains "$name: a terminal" '^/dev/pts/' "$T/out"
	refute "$name: another key is taken" login "$T/other" true
	timeout 120 ssh -F none -p "$ssh_port" -o PubkeyAuthentication=no -o BatchMode=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null root@127.0.0.1 true </dev/null >"$T/out" 2>&1 && fail "$name: no key is needed"
	assert_contains "$name: nothing but keys is offered" 'Permission denied \(publickey\)' "$T/out"
	note "$name: ssh answers to the key, and to nothing else"
}

# The server comes back: NAME KEY
by_hand()
{
	local name=$1 key=$2
	start_nginx web "$IMAGES/served/good" "$web_port"
	login "$key" "hydroot attach --read-only $url" >"$T/out" 2>&1 || { cat "$T/out"; fail "$name: attach"; }
	assert_contains "$name: the device" '^/dev/hydroot/root$' "$T/out"
	assert_equal "$name: a file of the image" hydroot-test "$(login "$key" 'mkdir -p /tmp/m &&
		mount -t ext4 -o ro,noload /dev/hydroot/root /tmp/m && cat /tmp/m/etc/hostname && umount /tmp/m')"
	login "$key" 'hydroot status root --json' >"$T/status" || fail "$name: no status"
	assert_equal "$name: the image of the status" "$url" "$(jq -r .image.url "$T/status")"
	login "$key" 'hydroot detach root' || fail "$name: detach"
	note "$name: the image was attached, read and detached by hand"
	stop_nginx web
	login "$key" 'reboot -f' || true
	wait_guest_end "$name" 60 reboot
}

# A cable that is plugged in later: NAME INITRAMFS KEY
without_cable()
{
	boot "$1" "$2" "$GUEST_IP"
	monitor "$1" 'set_link n0 off'
	wait_console "$1" $((GUEST_BOOT_SECONDS + 200)) 'hydroot: failed: network: no link'
	wait_console "$1" 30 'hydroot: onfail=rescue: waiting for someone'
	refute "$1: the network is up without a cable" console_has "$1" 'the network is up'
	monitor "$1" 'set_link n0 on'
	wait_console "$1" 200 'hydroot: onfail=rescue: the network is up'
	wait_console "$1" 60 'hydroot: onfail=rescue: ssh answers'
	wait_for 120 "$1: a login by ssh" can_login "$3"
	stop_guest "$1"
	note "$1: the network is tried again"
}

# A wait of three minutes for a cable is too long for a test.
echo 'net_timeout=20' >"$T/short"
ssh-keygen -q -t ed25519 -N '' -f "$T/key"
sh initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$IMAGES/base/kernel")" --root="$IMAGES/base/tree" --drivers=virtio \
	--daemon="$BUILD/hydrootd" --ssh-keys="$T/key.pub" --hook="$T/short" --compress=gzip --output="$T/ssh.img"
boot standalone "$T/ssh.img" "$GUEST_IP"
answers standalone "$T/key"
by_hand standalone "$T/key"
without_cable standalone-cable "$T/ssh.img" "$T/key"

# The keys of /etc/hydroot, in the initramfs of the distribution.
boot dracut "$IMAGES/bookworm-dracut-ssh/initrd.img" "$GUEST_IP"
answers dracut "$IMAGES/bookworm-dracut-ssh/key"
by_hand dracut "$IMAGES/bookworm-dracut-ssh/key"
