#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
# root=hydroot:glusterfs://SERVER/VOLUME/FILE.hri with the hook that is the example of transport.d: a volume is mounted, the node
# becomes resident from it, and the mount and its process are gone then.  Servers of the volume that stop answering in the middle of
# the fill are one server that is away: the next one, by HTTP, goes on.  With none, the boot begins with the next one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root fuse qemu-system-x86_64 nginx jq unshare ip glusterd gluster glusterfs hydrootd
tests/image.sh all

# In a network of its own, where the address that the guest has for this host is one of ours, too: the volume names its server
# by it.  What the servers write outside of $T, they write into mounts of their own, and they end with all other processes.
if [ -z "${HYDROOT_INSIDE-}" ]; then
	HYDROOT_INSIDE=1 timeout 1780 unshare --net --mount --pid --fork --kill-child --mount-proc "$0"
	exit
fi
ip link set lo up
ip address add "$GUEST_HOST/32" dev lo
for dir in /run /var/lib/glusterd /var/log/glusterfs; do mount -t tmpfs none $dir; done
mkdir /run/gluster

volume() { gluster --mode=script volume "$@" >"$T/gluster.out" 2>&1; }
start_glusterd()
{
	glusterd --no-daemon --log-file="$T/glusterd.log" </dev/null >"$T/glusterd.out" 2>&1 &
	servers=($!)
	wait_for 60 "glusterd" volume list
}
evidence+=("$T/glusterd.log" "$T/gluster.out")
start_glusterd
mkdir "$T/brick" "$T/mnt"
volume create images "$GUEST_HOST:$T/brick" force || skip "no volume can be made here: $(tail -n 1 "$T/gluster.out")"
volume start images || skip "the volume does not start: $(tail -n 1 "$T/gluster.out")"
servers+=("$(cat /run/gluster/vols/images/*.pid)")
glusterfs --volfile-server="$GUEST_HOST" --volfile-id=images --log-file="$T/glusterfs.log" "$T/mnt"
mkdir "$T/mnt/nodes"
cp "$IMAGES/served/good/debian.hri" "$T/mnt/nodes/"
umount "$T/mnt"
note "a volume of one brick"

# But for the hook it is the one of the boot tests.
sh initramfs/standalone/hydroot-mkinitramfs --kernel="$(cat "$IMAGES/base/kernel")" --root="$IMAGES/base/tree" --drivers=virtio \
	--daemon="$BUILD/hydrootd" --hook=tests/boot/tools.hook --transport=initramfs/transport.d/glusterfs --output="$T/gluster.img"
plain_bytes=$(stat -c %s "$IMAGES/boot/initramfs.img")
more_bytes=$(($(stat -c %s "$T/gluster.img") - plain_bytes))
note "GlusterFS adds $more_bytes bytes to an initramfs of $plain_bytes"
# Twice what it is with GlusterFS 10.3.
assert_below "bytes that GlusterFS adds" 3000000 "$more_bytes"
url=glusterfs://$GUEST_HOST/images/nodes/debian.hri

# What is there of the mount, in all mount namespaces, and of who keeps it.
gluster_traces() # NAME
{
	guest "$1" 60 'exec 2>/dev/null
		cat /proc/[0-9]*/mountinfo | grep -o "fuse\.glusterfs.*" | sort -u
		for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline | grep -o "^@glusterfs"; done; true'
}
has_no_gluster() { [ -z "$(gluster_traces "$1")" ]; }

start_hydroot_guest one "$T/gluster.img" "$url" rd.hydroot.fill=manual
wait_console one "$GUEST_BOOT_SECONDS" "hydroot: transport: glusterfs://$GUEST_HOST/images/nodes: mounted"
wait_login one
wait_agent one
assert_equal "what is left of it in the root: its process" @glusterfs "$(gluster_traces one)"
assert_equal "whether it can be ended for want of memory" -1000 \
	"$(guest one 60 'for p in /proc/[0-9]*; do ! grep -q "^@glusterfs" $p/cmdline 2>/dev/null || cat $p/oom_score_adj; done')"
note "login"
guest_hydroot one 60 'resume root' || fail "the fill cannot be started"
wait_resident one
wait_for 60 "the end of the mount and its process" has_no_gluster one
assert_root_is_plain one
assert_manifest one
end_guest one
note "resident, nothing of GlusterFS is left, all files are right"

start_nginx web "$IMAGES/served/good"
by_http=http://$GUEST_HOST:${nginx_port[web]}/debian.hri
# They take connections and say nothing: who reads waits, until GlusterFS gives them up after 42 s.
server_goes() { kill -STOP "${servers[@]}"; }
server_went() { wait_for 180 "the end of the mount and its process" has_no_gluster "$1"; }
next_server_fills two "$T/gluster.img" "$url" "$by_http"

kill -9 "${servers[@]}"
start_hydroot_guest three "$T/gluster.img" "$url" "rd.hydroot.server=$by_http"
wait_console three "$GUEST_BOOT_SECONDS" "hydroot: .*transport: glusterfs://$GUEST_HOST/images/nodes: .*no GlusterFS server answers"
wait_login three
wait_agent three
assert_equal "what is left of GlusterFS" '' "$(gluster_traces three)"
note "without servers of the volume: $(tr -d '\r' <"$T/three.console" | grep -a "transport: gluster" | head -n 1)"
stop_guest three
