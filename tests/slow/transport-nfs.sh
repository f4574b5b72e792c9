#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
# root=hydroot:nfs://SERVER/EXPORT/FILE.hri: the initramfs mounts the folder, the node becomes resident from it, and the mount
# is gone with the daemon, in the distributions' initramfs systems, too, where hydroot.conf has that URL.  An NFS server that
# ends in the middle of the fill is one server that is away: the next one, by HTTP, goes on.  With no NFS server at all, the boot
# begins with the next one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq ganesha.nfsd hydrootd mmdebstrap
tests/image.sh all
if (exec 3<>/dev/tcp/127.0.0.1/2049) 2>/dev/null; then skip "something else listens on NFS's port"; fi

cat >"$T/ganesha.conf" <<END
NFS_CORE_PARAM { NFS_Port = 2049; Protocols = 4; Bind_addr = 127.0.0.1; Enable_NLM = false; Enable_RQUOTA = false;
	Enable_UDP = false; }
NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = $T; Minor_Versions = 0,1,2; }
EXPORT { Export_Id = 1; Path = $(readlink -f "$IMAGES/served/good"); Pseudo = /images; Access_Type = RO; Squash = None;
	SecType = sys; FSAL { Name = VFS; } }
END
start_ganesha()
{
	rm -f "$T/ganesha.log"
	ganesha.nfsd -F -f "$T/ganesha.conf" -L "$T/ganesha.log" -p "$T/ganesha.pid" </dev/null >"$T/ganesha.out" 2>&1 &
	ganesha=$!
	defer end_process $ganesha
	wait_for 60 "the NFS server" grep -q 'NFS SERVER INITIALIZED' "$T/ganesha.log"
}
# At once, as if the power had gone.
stop_ganesha() { kill -9 "$ganesha"; wait "$ganesha" 2>/dev/null || true; }
mounts() { guest "$1" 60 'grep -E " nfs4? " /proc/*/mountinfo 2>/dev/null | sort -u -k 5,5' || true; } # NAME

sh initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$IMAGES/base/kernel")" --root="$IMAGES/base/tree" --drivers=virtio \
	--modules=nfs --daemon="$BUILD/hydrootd" --hook=tests/boot/tools.hook --output="$T/nfs.img"
url=nfs://$GUEST_HOST/images/debian.hri

# boots_over_nfs NAME INITRAMFS APPEND
boots_over_nfs()
{
	start_ganesha
	start_guest "$1" "$2" "rw $GUEST_IP $3"
	wait_console "$1" "$GUEST_BOOT_SECONDS" "hydroot: transport: nfs://$GUEST_HOST/images: mounted"
	wait_login "$1"
	wait_agent "$1"
	note "$1: login"
	wait_resident "$1"
	assert_root_is_plain "$1"
	assert_equal "NFS mounts after the handover" '' "$(mounts "$1")"
	stop_ganesha
	assert_manifest "$1"
	end_guest "$1"
	note "$1: resident over NFS, nothing of it is left, all files are right"
}

boots_over_nfs standalone "$T/nfs.img" "root=hydroot:$url"
for builder in dracut initramfs-tools; do
	tests/distro.sh bookworm "$builder" nfs >/dev/null
	boots_over_nfs "$builder" "$IMAGES/bookworm-$builder-nfs/initrd.img" root=hydroot
done

start_ganesha
start_nginx web "$IMAGES/served/good"
by_http=http://$GUEST_HOST:${nginx_port[web]}/debian.hri
server_goes() { stop_ganesha; }
next_server_fills two "$T/nfs.img" "$url" "$by_http" 'nfs: server .* not responding'

start_hydroot_guest three "$T/nfs.img" "$url" "rd.hydroot.server=$by_http"
wait_console three "$GUEST_BOOT_SECONDS" "hydroot: .*transport: nfs://$GUEST_HOST/images: "
wait_login three
note "without an NFS server: $(tr -d '\r' <"$T/three.console" | grep -a "transport: nfs" | head -n 1)"
stop_guest three
