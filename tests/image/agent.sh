#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# agent.sh - runs commands of the test host inside the guest, over the second serial port
#
# A request is one line, "R<id> <base64 of a shell script>"; the answer is
# "BEGIN R<id>", the output in base64, "END R<id> <exit code>".  Requests run side by side, so
# that one that waits for the network does not stop the next.  Everything the agent itself needs
# lives in /run: it answers while the root disk waits, or after it was made read-only.

port=/dev/ttyS1
home=/run/hydroot-agent

if [ "$1" != run ]; then
	# A tmpfs of its own, because /run may be mounted noexec.
	mkdir -p $home
	mountpoint -q $home || mount -t tmpfs -o mode=700 agent $home
	mkdir -p $home/bin
	cp /bin/busybox /usr/local/lib/hydroot-test/io "$0" $home/
	$home/busybox --install -s $home/bin
	exec $home/busybox sh $home/agent.sh run
fi

export PATH=$home/bin:$home:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
export HOME=/run
cd /run || exit 1

serve() # ID BASE64
{
	echo "$2" | base64 -d >$home/"$1".cmd
	$home/busybox sh $home/"$1".cmd </dev/null >$home/"$1".out 2>&1 3>&-
	rc=$?
	until mkdir $home/lock 2>/dev/null; do sleep 0.1; done
	{ echo; echo "BEGIN $1"; base64 $home/"$1".out; echo "END $1 $rc"; } >&3
	rmdir $home/lock
	rm -f $home/"$1".cmd $home/"$1".out
}

exec 3<>$port
stty raw -echo -ixon <&3
while read -r id text <&3; do
	case $id in
	# Not a child of this shell: its end would interrupt the read of the next request.
	R*) (serve "$id" "$text" &) ;;
	esac
done
