#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh - three minutes to watch: two nodes boot the same image, each over its own 25 Mbit/s
#
#	make demo
#
# On the left hydroot, on the right the classic way, which copies the image first.  One of
# hydroot's two servers has a wrong bit in one chunk.  Once hydroot's root is resident all servers
# are stopped.  The slow network is a network namespace with tc where the machine lets us, else
# nginx's own limit (also with HYDROOT_DEMO_LIMIT_RATE=1); which of them is printed.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
requires root qemu-system-x86_64 nginx jq hydrootd
EVIDENCE_LINES=15
rate_bits=25000000

b=$(tput bold 2>/dev/null || true) r=$(tput sgr0 2>/dev/null || true)
act() { clear_line; printf '\n%s%s%s\n' "$b" "$*" "$r"; }
tell() { clear_line; printf '  %s\n' "$*"; }
clear_line() { [ ! -t 1 ] || printf '\r\033[K'; }
mb() { echo $((($1 + 500000) / 1000000)); }

# --- two lines of 25 Mbit/s -----------------------------------------------------------------------

# line NAME N: a namespace whose way out is slow; sets address[NAME], prefix[NAME].
declare -A address=() prefix=()
line()
{
	local name=$1 ns=hydroot-$1-$$ dev=hyd$1$2 net=192.168.$((200 + $2))
	[ -z "${HYDROOT_DEMO_LIMIT_RATE-}" ] || { echo "HYDROOT_DEMO_LIMIT_RATE is set" >&2; return 1; }
	ip netns add "$ns" || return
	defer ip netns delete "$ns"
	ip link add "$dev" type veth peer name eth0 netns "$ns" &&
		ip address add "$net.1/30" dev "$dev" && ip link set "$dev" up &&
		ip -n "$ns" address add "$net.2/30" dev eth0 &&
		ip -n "$ns" link set eth0 up && ip -n "$ns" link set lo up &&
		ip netns exec "$ns" tc qdisc add dev eth0 root tbf rate $rate_bits burst 64kb \
			latency 100ms || return
	address[$name]=$net.2
	prefix[$name]="ip netns exec $ns"
}

serve() # NAME LINE FOLDER
{
	if [ -n "${address[$2]-}" ]; then
		NGINX_PREFIX=${prefix[$2]} NGINX_LISTEN=${address[$2]} start_nginx "$1" "$3" 8080
		url=http://${address[$2]}:8080/debian.hri
	else
		start_nginx "$1" "$3" '' "$((rate_bits / 8 / $4))"
		url=http://$GUEST_HOST:${nginx_port[$1]}/debian.hri
	fi
}

# --- what is going on -----------------------------------------------------------------------------

state_of() # NAME
{
	if [ -n "${login[$1]-}" ]; then echo "login after ${login[$1]}"
	elif console_has "$1" 'Welcome to'; then echo "starting services"
	elif console_has "$1" 'hydroot: switch|copyfirst: copied'; then echo "root is mounted"
	elif console_has "$1" 'hydroot: attach'; then echo "attaching"
	elif console_has "$1" 'copyfirst: copying'; then echo "copying"
	else echo "starting"
	fi
}

declare -A login=() login_mb=()
note_login() # NAME BYTES
{
	[ -z "${login[$1]-}" ] || return 0
	console_has "$1" "$GUEST_LOGIN" || return 0
	login[$1]="$(seconds_since "$start_ms") s"
	login_mb[$1]="$(mb "$2") MB"
	tell "$1: login reached after ${login[$1]}, with ${login_mb[$1]} of $image_mb MB fetched"
}

bytes_hydroot() { echo $(($(nginx_bytes "$(nginx_log bad)") + $(nginx_bytes "$(nginx_log good)"))); }
# A download in one piece is in the log only when it has ended: its line counts meanwhile.
bytes_copy()
{
	local n
	n=$(nginx_bytes "$(nginx_log copy)")
	if [ "$n" = 0 ] && [ -n "${address[c]-}" ]; then
		n=$(${prefix[c]} tc -s qdisc show dev eth0 | awk '$1 == "Sent" { print $2; exit }')
	fi
	echo "${n:-0}"
}

last_line=0
progress()
{
	local now text
	now=$(now_ms)
	text=$(printf '%4s s | hydroot: %-20s %4d MB | copy first: %-20s %4d MB' \
		"$(((now - start_ms) / 1000))" "$(state_of hydroot)" "$(mb "$(bytes_hydroot)")" \
		"$(state_of copy)" "$(mb "$(bytes_copy)")")
	if [ -t 1 ]; then
		printf '\r\033[K%s' "$text"
	elif [ $((now - last_line)) -ge 5000 ]; then
		last_line=$now
		echo "$text"
	fi
}

step() # one look at both; true when both are where they are going
{
	note_login hydroot "$(bytes_hydroot)"
	note_login copy "$(bytes_copy)"
	if [ -z "$refused" ] && console_has hydroot 'refused: wrong SHA-256'; then
		refused=$(tr -d '\r' <"$T/hydroot.console" | grep -a 'refused: wrong SHA-256' | tail -n 1)
		tell "hydroot: the corrupt mirror is refused:"
		tell "    ${refused#*hydrootd: }"
	fi
	if [ -n "${login[hydroot]-}" ] && [ -z "$written" ]; then
		guest hydroot 10 'echo "written before the server went" >/root/note; sync' &&
			written=yes && tell "hydroot: wrote /root/note while the image is still arriving"
	fi
	if [ -n "$written" ] && [ -z "$resident" ] && guest_status_is hydroot .state resident; then
		resident="$(seconds_since "$start_ms") s"
		tell "hydroot: resident after $resident, handed over by $(guest_status hydroot .handover.method)"
	fi
	progress
	[ -n "$resident" ] && [ -n "${login[copy]-}" ]
}

# --- the play -------------------------------------------------------------------------------------

tests/image.sh demo
image_bytes=$(cat "$IMAGES/served/bytes")
image_mb=$(mb "$image_bytes")
refused='' written='' resident=''

act "Two nodes, one image of $image_mb MB ($(mb "$(du -B1 "$IMAGES/base/rootfs.ext4" | cut -f1)") MB of Debian), 25 Mbit/s for each node"
if line h 1 2>"$T/line" && line c 2 2>>"$T/line"; then
	tell "slow network: network namespaces with tc tbf"
else
	unset 'address[h]' 'address[c]'
	tell "slow network: nginx limit_rate, split over connections, which is only roughly right: short"
	tell "requests get more (no namespaces: $(tail -n 1 "$T/line"))"
fi
serve good h "$IMAGES/served/good" 4
url_good=$url
if [ -n "${address[h]-}" ]; then
	NGINX_PREFIX=${prefix[h]} NGINX_LISTEN=${address[h]} start_nginx bad "$IMAGES/served/flipped" 8081
	url_bad=http://${address[h]}:8081/debian.hri
else
	serve bad h "$IMAGES/served/flipped" 4
	url_bad=$url
fi
serve copy c "$IMAGES/served/good" 1
tell "the first server of the hydroot node has one wrong bit, in chunk $(cat "$IMAGES/served/flipped.chunk")"
tell "accelerator: $(guest_accel)"

start_ms=$(now_ms)
start_guest hydroot "$IMAGES/boot/initramfs.img" \
	"rw $GUEST_IP rd.hydroot.server=$url_good root=hydroot:$url_bad"
start_guest copy "$IMAGES/copyfirst/initramfs.img" \
	"rw copyfirst=$url copyfirst-bytes=$(stat -c %s "$IMAGES/base/rootfs.ext4")"
for ((turn = 0; turn < 400; turn++)); do
	if step; then break; fi
	guest_runs hydroot || fail "the hydroot guest ended"
	guest_runs copy || fail "the copy-first guest ended"
	sleep 0.5
done
clear_line
[ -n "$resident" ] || fail "not resident in time"

act "All servers are stopped"
for name in bad good copy; do
	pid=${nginx_pid[$name]}
	stop_nginx "$name"
	tell "nginx $name (process $pid) is gone"
done
assert_root_is_plain hydroot
tell "hydroot: no daemon, no FUSE, no loop device; / is device-mapper on zram"
tell "hydroot: /root/note says: $(guest hydroot 10 'echo 3 >/proc/sys/vm/drop_caches; cat /root/note')"
guest hydroot 60 'cd / && grep " ./usr/bin/" /usr/local/lib/hydroot-test/manifest >/run/m &&
	/usr/bin/sha256sum -c --quiet /run/m' || fail "files differ"
tell "hydroot: all $(guest hydroot 5 'wc -l </run/m') programs in /usr/bin are right, read from RAM anew"

act "Power off"
guest hydroot 5 'systemctl poweroff' || true
guest copy 5 'systemctl poweroff' || true
wait_guest_end hydroot 60
wait_guest_end copy 60
tell "both nodes went down cleanly"

act "$(printf '%-12s %12s %18s %14s' '' login 'bytes until login' 'all in RAM')"
printf '  %-12s %10s %18s %14s\n' hydroot "${login[hydroot]}" "${login_mb[hydroot]}" "$resident" \
	'copy first' "${login[copy]}" "${login_mb[copy]}" "${login[copy]}"
