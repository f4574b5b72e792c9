#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: none
# alone: the name root
# In a boot the daemon posts to report= that the root is resident, by itself: over https, with the CA and the password that it
# was given.  A server that says nothing holds up neither residence nor the devices, and the daemon for some seconds only.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq openssl hydrootd
[ ! -e /dev/hydroot/root ] || skip "the name root is taken"
host_image
start_nginx web "$served"
openssl req -x509 -days 3 -subj /CN=localhost -addext subjectAltName=DNS:localhost -newkey ec -nodes \
	-pkeyopt ec_paramgen_curve:P-256 -keyout "$T/key" -out "$T/cert" 2>/dev/null
mkdir "$T/www"
# What comes is kept in files; a server that is passed on to reads it.
# shellcheck disable=SC2016,SC2154 # nginx's own variables; nginx_port is set by start_nginx
NGINX_LISTEN_MORE=ssl NGINX_SERVER="ssl_certificate $T/cert; ssl_certificate_key $T/key; client_body_in_file_only on;
	location /none { return 404; } location /read { return 204; }
	location / { proxy_pass https://127.0.0.1:\$server_port/read; }" start_nginx tls "$T/www"
tls=localhost:${nginx_port[tls]}
export HYDROOT_RUN_DIR=$T/run no_proxy='*'
defer hydroot detach root

boot() # MODE REPORT-URL KEY...
{
	printf '%s\n' "mode=$1" "${@:3}" >"$T/conf"
	echo "quiet root=hydroot:$(nginx_url web test.hri) rd.hydroot.report=$2" >"$T/cmdline"
	hydrootd --boot --cmdline="$T/cmdline" --conf="$T/conf" >"$T/out" 2>&1 || fail "not attached: $(cat "$T/out")"
	hydroot wait root --for=resident --timeout=60s
}
is_over() { [ -e "$T/run/root/reported" ]; }
daemons() { pgrep -fc "^@?hydrootd --boot --cmdline=$T/" || true; }
is_gone() { [ "$(daemons)" = 0 ]; }

boot full "https://some:secret@$tls/r?n=1" "ca=$T/cert"
wait_for 20 "the report" is_over
assert_contains "what was asked" '"POST /r\?n=1&event=resident HTTP' "$(nginx_log tls)"
assert_equal "the state in it" resident "$(jq -r .state "$T/nginx-tls/tmp"/*)"
refute "something is said of it" grep -q report= "$T/run/root/log"
wait_for 20 "the daemon to end" is_gone
hydroot detach root

# Refused, and by a server that is not believed: said once, without the password, and all goes on.
boot full "https://some:secret@$tls/none" "ca=$T/cert"
wait_for 20 "the report" is_over
assert_contains "an answer of 404" 'report=: resident: not posted: .*404' "$T/run/root/log"
hydroot detach root
boot full "https://some:secret@$tls/r"
wait_for 20 "the report" is_over
assert_contains "a certificate that nobody knows" 'report=: resident: not posted: .*certificate' "$T/run/root/log"
refute "the password is told" grep -rq secret "$T/run/root"
hydroot detach root

# While its server is silent nothing else waits.  Whoever kills it, as PID 1 does twice at switch_root, finds another.
silent() { kill "-$1" "${nginx_pid[tls]}" && pkill "-$1" -P "${nginx_pid[tls]}"; }
daemons_of() { pgrep -u "$1" -f "^@?hydrootd --boot --cmdline=$T/"; }
keeper_is_alone() { [ "$(daemons_of 0 | wc -l)" = 1 ]; }
is_another() { [ "$(daemons_of 65525)" != "$child" ] && daemons_of 65525 >/dev/null; }
silent STOP
boot full "https://$tls/r?n=2" "ca=$T/cert"
wait_for 20 "the serving process to end" keeper_is_alone
refute "it is over" is_over
child=''
for time in first second; do
	wait_for 5 "the process that posts, for the $time time" is_another
	child=$(daemons_of 65525)
	kill -9 "$child"
done
wait_for 5 "the third one" is_another
silent CONT
wait_for 20 "the report" is_over
assert_contains "what was asked" ' 204 .*"POST /r\?n=2&event=resident HTTP' "$(nginx_log tls)"
assert_contains "the state in it" resident <(jq -r .state "$(find "$T/nginx-tls/tmp" -type f -printf '%T@ %p\n' | sort -n | sed -n '$s/.* //p')")
wait_for 20 "the daemon to end" is_gone
hydroot detach root

# A detach after the handover does not wait for it either, and what is under way still comes.
silent STOP
boot full "https://$tls/r?n=3" "ca=$T/cert"
wait_for 20 "the serving process to end" keeper_is_alone
hydroot detach root
refute "the device is left" test -e /dev/hydroot/root
assert "the daemon still posts" keeper_is_alone
silent CONT
wait_for 20 "the daemon to end" is_gone
assert_contains "what was asked" '"POST /r\?n=3&event=resident HTTP' "$(nginx_log tls)"

# A serving process that goes on serving, as without device-mapper, and dies: no second report.
boot hybrid "https://$tls/r?n=4" "ca=$T/cert"
wait_for 20 "the report" is_over
if [ "$(status_key root .handover.done)" = false ]; then
	kill_serve "$(keeper_pid --cmdline)"
	dd if=/dev/hydroot/root iflag=direct bs=4096 count=1 status=none of=/dev/null
fi
assert_equal "reports" 1 "$(grep -c '/r?n=4&' "$(nginx_log tls)")"

# When it detaches it ends at once, whether it posts or not.
hydroot detach root
silent STOP
boot hybrid "https://$tls/r?n=5" "ca=$T/cert"
hydroot detach root
wait_for 20 "the daemon to end" is_gone
silent CONT
