#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# hydrootd --post sends what stdin says to report=: with the milestone behind the URL, over https to a server that it
# believes, and with no password in what it says when that fails.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires nginx openssl hydrootd
export no_proxy='*'

openssl req -x509 -days 3 -subj /CN=localhost -addext subjectAltName=DNS:localhost -newkey ec -nodes \
	-pkeyopt ec_paramgen_curve:P-256 -keyout "$T/key" -out "$T/cert" 2>/dev/null
# shellcheck disable=SC2016 # nginx's own variables
# What comes is kept in files; a server that is passed on to reads it.
keeps='client_body_in_file_only on; location /none { return 404; } location /read { return 204; }
	location / { proxy_pass http://127.0.0.1:$server_port/read; }'
mkdir "$T/www"
NGINX_SERVER=$keeps start_nginx web "$T/www"
# shellcheck disable=SC2016
NGINX_LISTEN_MORE=ssl NGINX_SERVER="ssl_certificate $T/cert; ssl_certificate_key $T/key;
	location / { return 204; }" start_nginx tls "$T/www"

# shellcheck disable=SC2154 # nginx_port is set by start_nginx
post() # EVENT URL [LINE-OF-CONF...]
{
	echo "quiet root=hydroot:http://h/i.hri rd.hydroot.report=$2" >"$T/cmdline"
	printf '%s\n' "${@:3}" >"$T/conf"
	hydrootd --post="$1" --cmdline="$T/cmdline" --conf="$T/conf" <<<'{"schema":1}' >"$T/out" 2>&1
}
web=http://127.0.0.1:${nginx_port[web]} tls=https://localhost:${nginx_port[tls]}

post attached "$web/r" || fail "a URL without arguments: $(cat "$T/out")"
post failed "http://user:secret@127.0.0.1:${nginx_port[web]}/r?n=1" proxy=http://127.0.0.1:1 ||
	fail "a URL with arguments: $(cat "$T/out")"
assert_equal "asked for" 'POST /r?event=attached HTTP/1.1
POST /r?n=1&event=failed HTTP/1.1' "$(sed -n 's/.*"\(POST .*\)"$/\1/p' "$(nginx_log web)" | grep -v ' /read')"
assert_equal "what came" '{"schema":1}' "$(cat "$T/nginx-web/tmp"/* | sort -u)"

post attached "$tls/r" ca="$T/cert" || fail "https: $(cat "$T/out")"
refute "a server without a certificate that is believed" post attached "$tls/r"
assert_contains "why" 'hydrootd: report=: attached: not posted: .*certificate' "$T/out"

refute "an answer of 404" post failed "http://user:secret@127.0.0.1:${nginx_port[web]}/none"
assert_contains "why" 'hydrootd: report=: failed: not posted: .*404' "$T/out"
refute "the password is told" grep -q secret "$T/out"
refute "nobody is there" post failed http://127.0.0.1:1/r
refute "without report=" post attached 0
assert_contains "why" 'report= names no URL' "$T/out"
