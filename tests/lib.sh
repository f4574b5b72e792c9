# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - what the shell tests share; sourced by every test, in bash
#
# A test is a script that begins with
#
#	. "$(dirname "$0")/../lib.sh"
#
# and ends with exit code 0 (passed), 1 (failed) or 77 (skipped, reason on standard output).  It
# gets a scratch folder, $T, and runs in the top folder of the project with the freshly built
# programs in PATH.  What it starts it hands to `defer`, so it ends with the test, however
# the test ends.  Processes are ended by their process id, never by name.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$TOP"
BUILD=${BUILD:-build}
TOOLS=$TOP/build/tests		# helper programs, never sanitized
# shellcheck disable=SC2034 # for qemu.sh and the tests
IMAGES=$TOP/build/images
export PATH=$TOP/$BUILD:$TOOLS:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C
T=$(mktemp -d "${TMPDIR:-/tmp}/hydroot-test.XXXXXX")

# --- the end of a test ---------------------------------------------------------------------------

declare -a cleanup_stack=()

defer() { cleanup_stack+=("$(printf '%q ' "$@")"); }

run_cleanup()
{
	local status=$? i
	trap - EXIT
	trap '' TERM INT HUP
	set +e
	[ "$status" = 0 ] || [ "$status" = 77 ] || show_evidence
	for ((i = ${#cleanup_stack[@]} - 1; i >= 0; i--)); do
		eval "${cleanup_stack[i]}" </dev/null >"$T/cleanup.log" 2>&1
	done
	rm -rf "$T"
	exit "$status"
}
trap run_cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT HUP

# What a person needs to see after a failure; more lines can be added to the list.
declare -a evidence=()
show_evidence()
{
	local file
	for file in "${evidence[@]}"; do
		[ -s "$file" ] || continue
		echo "--- the end of $(basename "$file") ---"
		tail -n "${EVIDENCE_LINES:-40}" "$file" | tr -d '\r'
	done
}

fail() { echo "FAILED: $*"; exit 1; }
skip() { echo "skipped: $*"; exit 77; }
note() { printf '%6.1f  %s\n' "$(seconds_since "$test_start_ms")" "$*"; }

# --- time ----------------------------------------------------------------------------------------

now_ms() { echo $((${EPOCHREALTIME//[.,]/} / 1000)); }
seconds_since() { local d=$(($(now_ms) - $1)); echo "$((d / 1000)).$((d % 1000 / 100))"; }
test_start_ms=$(now_ms)

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; fails the test when it never does.
wait_for()
{
	local end=$(($(now_ms) + $1 * 1000 * ${HYDROOT_SLOWER:-1})) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$end" ] || fail "waited in vain for: $what"
		sleep 0.1
	done
}

# --- what a test needs ---------------------------------------------------------------------------

requires()
{
	local what
	for what in "$@"; do
		case $what in
		root) [ "$(id -u)" = 0 ] || skip "needs root" ;;
		fuse) [ -c /dev/fuse ] || skip "needs /dev/fuse" ;;
		loop) [ -c /dev/loop-control ] || skip "needs loop devices" ;;
		zram)
			[ -d /sys/class/zram-control ] || modprobe zram 2>/dev/null ||
				skip "needs zram"
			;;
		hydrootd)
			[[ -x $BUILD/hydrootd && -x $BUILD/hydroot ]] ||
				skip "hydrootd is not built"
			;;
		*) command -v "$what" >/dev/null || skip "needs $what; see tests/setup.sh" ;;
		esac
	done
}

# --- assertions ----------------------------------------------------------------------------------

assert() # WHAT COMMAND...
{
	local what=$1
	shift
	"$@" || fail "$what"
}

refute() # WHAT COMMAND...
{
	local what=$1
	shift
	if "$@"; then fail "$what"; fi
}

assert_equal() # WHAT WANTED GOT
{
	[ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}

assert_below() # WHAT LIMIT GOT
{
	[ "$3" -lt "$2" ] || fail "$1: $3 is not below $2"
}

assert_contains() # WHAT PATTERN FILE
{
	grep -qE -- "$2" "$3" || { tail -n 20 "$3"; fail "$1: nothing matches '$2'"; }
}

# expect_exit CODE COMMAND...: output is left in $T/out
expect_exit()
{
	local want=$1 got=0
	shift
	"$@" >"$T/out" 2>&1 || got=$?
	[ "$got" = "$want" ] || { cat "$T/out"; fail "$*: exit code $got, wanted $want"; }
}

# --- processes -----------------------------------------------------------------------------------

# end_process PID: asks, waits up to 5 s, then kills.
end_process()
{
	local i
	kill "$1" 2>/dev/null || return 0
	for ((i = 0; i < 50; i++)); do
		kill -0 "$1" 2>/dev/null || return 0
		case $(ps -o stat= -p "$1" 2>/dev/null) in Z*) break ;; esac
		sleep 0.1
	done
	kill -9 "$1" 2>/dev/null || true
	# Not `wait`: a process in a read that waits for a server cannot end, and we are to end the daemon.
	for ((i = 0; i < 20; i++)); do
		kill -0 "$1" 2>/dev/null || return 0
		case $(ps -o stat= -p "$1" 2>/dev/null) in Z*) break ;; esac
		sleep 0.1
	done
}

free_port()
{
	local port i
	for ((i = 0; i < 100; i++)); do
		port=$((20000 + (RANDOM * 4 + i) % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo $port
			return
		fi
	done
	fail "no free port"
}

# --- nginx: any number, each with a name, a folder, a port and a log ------------------------------

declare -A nginx_port=() nginx_pid=()

# start_nginx NAME FOLDER [PORT [RATE]]: RATE (nginx notation, per connection) slows it down.
# NGINX_LISTEN: its address; NGINX_LISTEN_MORE: ssl; NGINX_SERVER: lines of the server's block.
start_nginx()
{
	local name=$1 dir=$T/nginx-$1
	nginx_port[$name]=${3:-$(free_port)}
	mkdir -p "$dir/tmp"
	nginx_config "$name" "$2" "${4-}" >"$dir/nginx.conf"
	evidence+=("$dir/error.log")
	defer stop_nginx "$name"
	restart_nginx "$name"
}

# One line per request: time, client, status, bytes of body, seconds, range.
nginx_config() # NAME FOLDER RATE
{
	local dir=$T/nginx-$1
	[ "$(id -u)" != 0 ] || echo 'user root;'
	cat <<-CONF
		daemon off;
		worker_processes 1;
		pid $dir/pid;
		error_log $dir/error.log;
		events { worker_connections 1024; }
		http {
			log_format t '\$msec \$remote_addr \$status \$body_bytes_sent \$request_time '
				'"\$http_range" "\$request"';
			access_log $dir/access.log t;
			client_body_temp_path $dir/tmp;
			proxy_temp_path $dir/tmp;
			fastcgi_temp_path $dir/tmp;
			uwsgi_temp_path $dir/tmp;
			scgi_temp_path $dir/tmp;
			sendfile on;
			tcp_nopush on;
			keepalive_requests 100000;
			default_type application/octet-stream;
			server {
				listen ${NGINX_LISTEN:-127.0.0.1}:${nginx_port[$1]} ${NGINX_LISTEN_MORE-};
				root $2;
				${3:+limit_rate $3;}
				${NGINX_SERVER-}
			}
		}
	CONF
}

restart_nginx() # NAME: on the same port, with the same log
{
	local name=$1 dir=$T/nginx-$1
	${NGINX_PREFIX-} nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log" \
		</dev/null >"$dir/output" 2>&1 &
	nginx_pid[$name]=$!
	wait_for 10 "nginx $name" nginx_answers "$name"
}

nginx_answers() { test -s "$T/nginx-$1/pid" && kill -0 "${nginx_pid[$1]}"; }

stop_nginx() # NAME: now, connections are cut
{
	local pid=${nginx_pid[$1]-}
	[ -n "$pid" ] || return 0
	nginx_pid[$1]=
	end_process "$pid"
	wait "$pid" 2>/dev/null || true
	rm -f "$T/nginx-$1/pid"
}

nginx_log() { echo "$T/nginx-$1/access.log"; }
nginx_url() { echo "http://127.0.0.1:${nginx_port[$1]}/${2-}"; }

nginx_bytes() # LOG: bytes of body sent so far
{
	awk '{ n += $4 } END { printf "%d\n", n }' "$1"
}

# --- the daemon on the host -----------------------------------------------------------------------

# attach NAME ARGUMENT...: hydroot attach, undone when the test ends; sets $device.
attach()
{
	local name=$1
	shift
	defer end_attachment "$name"
	hydroot attach --name="$name" "$@" || fail "hydroot attach --name=$name $*"
	device=/dev/hydroot/$name
	assert "$device is a block device" test -b "$device"
}

# The network process has a root of its own, where a sanitizer cannot write its report: then it
# is its unexpected end that tells.
net_may_die=''
check_net_restarts() # NAME
{
	local n
	[ -n "${HYDROOT_SANITIZER_LOG-}" ] && [ -z "$net_may_die" ] || return 0
	n=$(status_key "$1" '.net_restarts // 0') && [ "$n" != 0 ] || return 0
	echo "attachment $1: the network process ended $n times" >"$HYDROOT_SANITIZER_LOG.net"
	cat "/run/hydroot/$1/log" >>"$HYDROOT_SANITIZER_LOG.net"
}

end_attachment() # NAME
{
	check_net_restarts "$1"
	timeout 20 hydroot detach "$1" && return
	kill_daemons "$1"
	sleep 1
	timeout 20 hydroot detach "$1"
}

# The daemon's processes of one attachment: keeper, serve, net.  By bash alone: tests ask often, and two
# processes for each that is looked at took more time than what they test.
daemon_pids() # NAME
{
	local proc words
	for proc in /proc/[0-9]*; do
		mapfile -d '' -t words 2>/dev/null <"$proc/cmdline" || continue
		[[ "${words[*]} " =~ ^(@|[^ ]*/)?hydrootd\ .*$1([^[:alnum:]-]|$) ]] || continue
		echo "${proc#/proc/}"
	done
}

net_pid() # NAME: the one that is not root
{
	local pid
	for pid in $(daemon_pids "$1"); do
		grep -qE '^Uid:[[:space:]]+[1-9]' "/proc/$pid/status" 2>/dev/null &&
			echo "$pid" && return
	done
	return 1
}

keeper_pid() # NAME: the one that is nobody's child among them
{
	local pid pids parent
	pids=$(daemon_pids "$1")
	for pid in $pids; do
		parent=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
		grep -qx "$parent" <<<"$pids" || { echo "$pid"; return; }
	done
	return 1
}

# serve_pid KEEPER: its child that is root, so not the network process.  Quick: tests kill it often.
serve_pid()
{
	local pid
	for pid in $(pgrep -P "$1"); do
		grep -qE '^Uid:[[:space:]]+0[[:space:]]' "/proc/$pid/status" 2>/dev/null || continue
		echo "$pid"
		return
	done
	return 1
}

# kill_serve KEEPER: and wait until there is another one; the dead one is there until the keeper has seen it
kill_serve()
{
	local pid
	pid=$(serve_pid "$1")
	kill -9 "$pid"
	wait_for 10 "another serving process" has_other_serve "$1" "$pid"
}
has_other_serve() { local pid; pid=$(serve_pid "$1") && [ "$pid" != "$2" ]; }

# One may end with another before its turn comes.
kill_daemons()
{
	local pid
	for pid in $(daemon_pids "$1"); do kill -9 "$pid" 2>/dev/null || true; done
}

# What the daemon said.
daemon_log() { cat "/run/hydroot/$1/log" "$T/attach.log" 2>/dev/null || true; } # NAME

status_key() # NAME JQ-PATH
{
	hydroot status "$1" --json | jq -r "$2"
}

status_is() { [ "$(status_key "$1" "$2")" = "$3" ]; } # NAME JQ-PATH VALUE

# No two devices ever have the same, while names of devices that are gone come again.
diskseq() { cat "/sys/block/${1#/dev/}/diskseq" 2>/dev/null || true; } # DEVICE

# attach_loop FILE: sets $loop, a loop device that is let go when the test ends, whoever has its number by then
attach_loop()
{
	loop=$(losetup --find --show "$@") || skip "no free loop device"
	defer detach_loop "$loop" "$(diskseq "$loop")"
}
detach_loop() { [ "$(diskseq "$1")" != "$2" ] || losetup --detach "$1"; } # DEVICE DISKSEQ

fuse_connections() { find /sys/fs/fuse/connections -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }

# --- images for host tests ------------------------------------------------------------------------

# shellcheck disable=SC2034 # for the tests
raw='' image='' served='' device='' chunk_bytes=0 n_chunks=0

# host_image: an ext4 of 192 MiB with files, and its hydroot image, made once per build;
# sets $raw, $image, $served (its folder), $chunk_bytes and $n_chunks.
host_image()
{
	local dir=$TOP/$BUILD/tests/host-image
	requires mke2fs
	mkdir -p "$dir"
	(
		flock 9
		[ ! "$dir/served/test.hri" -nt "$BUILD/hydroot-image" ] || exit 0
		make_host_image "$dir"
	) 9>"$dir/lock" || fail "cannot make the test image"
	raw=$dir/raw.ext4
	image=$dir/served/test.hri
	# shellcheck disable=SC2034 # for the tests
	served=$dir/served
	chunk_bytes=$(hydroot-image info --json "$image" | jq -r '.chunk_bytes // .chunk_size')
	# shellcheck disable=SC2034 # for the tests
	n_chunks=$(($(stat -c %s "$raw") / chunk_bytes))
}

make_host_image() # DIR
{
	local dir=$1 i
	rm -rf "$dir/tree" "$dir/served" "$dir/raw.ext4"
	mkdir -p "$dir/tree/random" "$dir/tree/text" "$dir/served"
	for ((i = 0; i < 60; i++)); do
		head -c 1500000 /dev/urandom >"$dir/tree/random/$i"
		seq $((i * 7000)) $((i * 7000 + 90000)) >"$dir/tree/text/$i"
	done
	(cd "$dir/tree" && find . -type f -exec sha256sum {} + >"$dir/manifest")
	mke2fs -q -t ext4 -b 4096 -m 0 -E lazy_itable_init=0,lazy_journal_init=0 \
		-d "$dir/tree" "$dir/raw.ext4" 192M
	rm -rf "$dir/tree"
	"$TOP/build/hydroot-image" build "$dir/raw.ext4" "$dir/served/test.hri.new"
	mv "$dir/served/test.hri.new" "$dir/served/test.hri"
}

# data_offsets N SEED: offsets of N 4 KiB blocks, each in another chunk that holds data, mixed
data_offsets()
{
	tests/chunks.sh "$image" | awk -v n="$1" -v chunk="$chunk_bytes" -v seed="$2" '
		$3 > 4096 { order[chunks++] = $1 }
		END {
			srand(seed)
			for (i = 0; i < n && i < chunks; i++) {
				j = i + int(rand() * (chunks - i))
				t = order[i]; order[i] = order[j]; order[j] = t
				printf "%d\n", order[i] * chunk + int(rand() * chunk / 4096) * 4096
			}
		}'
}

# expected_blocks RAW OFFSETS: the same blocks, from the image file
expected_blocks()
{
	local offset
	while read -r offset; do
		dd if="$1" bs=4096 skip=$((offset / 4096)) count=1 status=none
	done <"$2"
}
