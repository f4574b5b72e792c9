#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# A root by https, from a server with a certificate of a CA of one's own, who wants a token: both are in the initramfs, of
# the stand-alone builder and of initramfs-tools, beside a hydroot.conf that names them.  The first boots although its clock
# has lost the date.  With another CA the boot ends, and says who has signed the server's certificate.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq cpio openssl hydrootd mmdebstrap
tests/image.sh all
tests/distro.sh bookworm initramfs-tools >/dev/null

ca() # NAME SUBJECT
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj "$2" \
		-keyout "$T/$1.key" -out "$T/$1.pem" 2>/dev/null
}
ca own '/O=Own/CN=own ca'
ca other '/O=Other/CN=other ca'
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=image-server \
	-keyout "$T/server.key" -out "$T/server.csr" 2>/dev/null
openssl x509 -req -in "$T/server.csr" -CA "$T/own.pem" -CAkey "$T/own.key" -CAcreateserial -days 3 \
	-extfile <(echo "subjectAltName=IP:$GUEST_HOST") -out "$T/server.pem" 2>/dev/null
NGINX_LISTEN_MORE=ssl NGINX_SERVER="ssl_certificate $T/server.pem; ssl_certificate_key $T/server.key;
	if (\$http_authorization != 'Bearer t0k3n') { return 401; }" start_nginx web "$IMAGES/served/good"
url=https://$GUEST_HOST:${nginx_port[web]}/debian.hri

# etc_hydroot FOLDER CA: what an admin has in /etc/hydroot
etc_hydroot()
{
	mkdir -p "$1"
	cp "$T/$2.pem" "$1/ca.pem"
	echo "$GUEST_HOST bearer t0k3n" >"$1/secrets"
	chmod 600 "$1/secrets"
	printf '%s\n' "url=$url" ca=/etc/hydroot/ca.pem credentials=/etc/hydroot/secrets \
		onfail=poweroff fill=manual attach-timeout=20s >"$1/hydroot.conf"
}

# boots NAME [QEMU-ARGUMENT...]
boots()
{
	local name=$1
	shift
	start_guest "$name" "$T/$name.img" "rw $GUEST_IP root=hydroot" "$@"
	wait_login "$name"
	wait_agent "$name"
	assert_equal "$name: where the root is from" "$url" "$(guest_status "$name" .image.url)"
	assert_contains "$name: requests" ' 206 .*"GET /debian.hri' "$(nginx_log web)"
	refute "$name: the token is told" grep -q t0k3n "$T/$name.console" <(guest_hydroot "$name" 60 'status root --json')
	assert_no_io_errors "$name"
	note "$name: login at $(guest "$name" 20 date)"
}

etc_hydroot "$T/own/etc/hydroot" own
# After the certificates: what the clock is set to is in their days.
files=("--conf=$T/own/etc/hydroot/hydroot.conf")
for name in ca.pem secrets; do
	files+=("--add-file=$T/own/etc/hydroot/$name:/etc/hydroot/$name")
done
initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$IMAGES/base/kernel")" --root="$IMAGES/base/tree" --drivers=virtio \
	--daemon="$BUILD/hydrootd" --hook=tests/boot/tools.hook "${files[@]}" --output="$T/standalone.img" >/dev/null
boots standalone -rtc base=2001-01-01
console_has standalone 'hydroot: clock: was before the build of this initramfs' || fail "the clock was right"
stop_guest standalone

: >"$(nginx_log web)"
initramfs_with "$T/initramfs-tools.img" "$T/own" "$IMAGES/bookworm-initramfs-tools/initrd.img"
boots initramfs-tools
stop_guest initramfs-tools

etc_hydroot "$T/other/etc/hydroot" other
initramfs_with "$T/wrong.img" "$T/other" "$IMAGES/bookworm-initramfs-tools/initrd.img"
start_guest wrong "$T/wrong.img" "rw $GUEST_IP root=hydroot"
boot_fails wrong "$GUEST_BOOT_SECONDS" "attach: .*is by 'own ca, Own'.*ca= lacks that issuer"
