#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
# root=hydroot:nfs://SERVER/EXPORT/FILE.hri: the initramfs mounts the folder, the node becomes resident from it, and the mount
# is gone with the daemon.  An NFS server that ends in the middle of the fill is one server that is away: the next one, by
# HTTP, goes on.  With no NFS server at all, the boot begins with the next one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq ganesha.nfsd hydrootd
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

start_ganesha
start_hydroot_guest one "$T/nfs.img" "$url"
wait_console one "$GUEST_BOOT_SECONDS" "hydroot: transport: nfs://$GUEST_HOST/images: mounted"
wait_login one
wait_agent one
note "login"
guest_hydroot one 200 'wait root --for=resident --timeout=3m' || fail "not resident in three minutes"
assert_root_is_plain one
assert_equal "NFS mounts after the handover" '' "$(mounts one)"
stop_ganesha
assert_manifest one
assert_no_io_errors one
guest one 5 'systemctl poweroff' || true
wait_guest_end one 90
note "resident over NFS, nothing of it is left, all files are right"

start_ganesha
start_nginx web "$IMAGES/served/good"
by_http=rd.hydroot.server=http://$GUEST_HOST:${nginx_port[web]}/debian.hri
start_hydroot_guest two "$T/nfs.img" "$url" "$by_http rd.hydroot.rate=1M"
wait_login two
wait_agent two
assert_equal "state" filling "$(guest_status two .state)"
assert_equal "bytes by HTTP" 0 "$(nginx_bytes "$(nginx_log web)")"
stop_ganesha
note "the NFS server has ended at $(guest_status two '"\(.resident.chunks) of \(.image.chunks) chunks"')"
guest_hydroot two 60 'set root rate=0' || fail "the rate cannot be set"
guest_hydroot two 300 'wait root --for=resident --timeout=5m' || fail "not resident in five minutes"
assert_contains "requests by HTTP" 'GET /debian.hri' "$(nginx_log web)"
assert_manifest two
assert_no_io_errors two 'nfs: server .* not responding'
guest two 5 'systemctl poweroff' || true
wait_guest_end two 90
note "resident by HTTP"

start_hydroot_guest three "$T/nfs.img" "$url" "$by_http"
wait_console three "$GUEST_BOOT_SECONDS" "hydroot: .*transport: nfs://$GUEST_HOST/images: "
wait_login three
note "without an NFS server: $(tr -d '\r' <"$T/three.console" | grep -a "transport: nfs" | head -n 1)"
stop_guest three
