#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 200
# An attach that fails says why in one line, leaves a status `failed` with the same words, for which wait
# exits with 4, and nothing else; one that is interrupted leaves nothing; a daemon that died is not `filling`.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd unshare
host_image
start_nginx web "$served"
url=$(nginx_url web test.hri)

no_daemon() { [ -z "$(daemon_pids "$1")" ]; }

# fails NAME MESSAGE ARGUMENT...
fails()
{
	local name=$1 message=$2
	shift 2
	defer end_attachment "$name"
	expect_exit 1 "${as[@]}" timeout 60 hydroot attach --name="$name" "$@"
	cp "$T/out" "$T/attach-$name"
	assert_contains "$name: the message" "^hydrootd: $name: $message" "$T/out"
	refute "$name: the name is said twice" grep -q "$name: $name:" "$T/out"
	refute "$name: a network process that nobody wants" grep -q "network process: ended" "$T/out"
	wait_for 10 "the daemon to end" no_daemon "$name"
	assert_equal "$name: state" failed "$(status_key "$name" .state)"
	status_key "$name" .error >"$T/error"
	message=${message/not attached: /}
	assert_contains "$name: error in the status" "^$message" "$T/error"
	expect_exit 4 hydroot wait "$name" --timeout=20s
	assert_contains "$name: error from wait" "^hydroot: $name: $message" "$T/out"
	refute "$name: a device is left" test -e "/dev/hydroot/$name"
	hydroot status "$name" >"$T/text"
	expect_exit 0 hydroot detach "$name"
	refute "$name: the run directory is left" test -e "/run/hydroot/$name"
}
as=(env)

# Before a process is forked.
fails fail1 'ca: /nonexistent: No such file or directory' --ca=/nonexistent "$url"
fails fail2 'cert: /nonexistent: No such file' --cert=/nonexistent "$url"
fails fail3 'credentials: /nonexistent: No such file' --credentials=/nonexistent "$url"
fails fail4 'public-key /nonexistent: No such file' --public-key=/nonexistent "$url"

# After that.
fails fail5 'image: not attached: .*404' --attach-timeout=3s "$(nginx_url web absent.hri)"
# One that is asked for in vain says so from time to time.
fails fail11 'image: not attached: .*404' --attach-timeout=13s "$(nginx_url web absent.hri)"
assert_contains "what it waits for" \
	"^hydrootd: fail11: attach: waiting for $(nginx_url web absent.hri) .*404.*next try in [0-9]+ s$" \
	"$T/attach-fail11"
echo "somebody's" >"$T/foreign"
truncate -s 300M "$T/foreign"
fails fail6 "store $T/foreign: " --store="$T/foreign" "$url"

# FUSE is missed before anything is fetched, and mode full does not miss it.
cat >"$T/no-fuse" <<'SH'
mount --bind "$1" /dev/fuse && shift && exec "$@"
SH
mknod "$T/node" c 10 255
as=(unshare -m sh "$T/no-fuse" "$T/node")
if "${as[@]}" test -c /dev/fuse && ! "${as[@]}" sh -c ': </dev/fuse' 2>/dev/null; then
	before=$(wc -l <"$(nginx_log web)")
	fails fail7 '/dev/fuse: .*: mode hybrid needs FUSE: load the module fuse, or use mode=full' "$url"
	fails fail8 '/dev/fuse: .*: mode stream needs FUSE' --mode=stream "$url"
	assert_equal "requests without FUSE" "$before" "$(wc -l <"$(nginx_log web)")"
else
	echo "skipped: without FUSE: this machine makes no private mounts of device nodes"
fi
as=(env)

# A name that is taken: who has it is left alone.
attach fail9 --fill=manual "$url"
expect_exit 1 hydroot attach --name=fail9 "$url"
assert_contains "a name that is taken" '^hydrootd: fail9: already attached: hydroot detach fail9' "$T/out"
assert "the first one is left alone" status_is fail9 .state paused

# Dead: every process at once, without a last word.
kill_daemons fail9
wait_for 10 "the daemon to end" no_daemon fail9
assert_equal "state of the dead" failed "$(status_key fail9 .state)"
status_key fail9 .error >"$T/error"
assert_contains "error of the dead" '^the daemon is gone' "$T/error"
expect_exit 4 hydroot wait fail9 --for=ready --timeout=60s
expect_exit 4 hydroot wait fail9 --timeout=60s
expect_exit 0 hydroot status fail9 --watch
expect_exit 0 hydroot detach fail9

# Interrupted: attach did not return, so nothing is left.
for signal in INT TERM; do
	defer end_attachment fail10
	# bash starts what is in the background with SIGINT ignored.
	env --default-signal=$signal hydroot attach --name=fail10 --attach-timeout=60s http://127.0.0.1:1/x.hri >"$T/attach" 2>&1 &
	attaching=$!
	asked() { status_is fail10 .state attaching; }
	wait_for 10 "the attach to ask for the image" asked
	assert_equal "the URL is known from the start" http://127.0.0.1:1/x.hri "$(status_key fail10 .image.url)"
	assert_equal "uuid and digest are not" 'null null' \
		"$(status_key fail10 '"\(.image.uuid) \(.image.digest)"')"
	kill -s $signal $attaching
	code=0
	wait $attaching || code=$?
	assert "exit code $code of an attach that was interrupted" test $code -gt 128
	assert "a daemon is left" no_daemon fail10
	refute "the run directory is left" test -e /run/hydroot/fail10
done
