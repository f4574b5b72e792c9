#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 150
# sanitizers: none
# https with a CA of one's own: a client certificate where the server wants one, a bearer token and a
# password for their server; what is wrong is named before anything is attached.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq openssl hydrootd
host_image
cd "$T"

ca() # NAME SUBJECT
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj "$2" \
		-keyout "$1.key" -out "$1.pem" 2>/dev/null
}
cert() # CA NAME SUBJECT
{
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" \
		-keyout "$2.key" -out "$2.csr" 2>/dev/null
	openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 3 \
		-extfile <(echo 'subjectAltName=DNS:localhost') -out "$2.pem" 2>/dev/null
}
# The server's, but valid from BEGIN to END only.
dated() # NAME BEGIN END
{
	printf '[ca]\ndefault_ca=own\n[own]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n%s\n' \
		$'unique_subject=no\n[any]\ncommonName=supplied' >ca.cnf
	[ -e index ] || { : >index; echo 1000 >serial; }
	openssl ca -batch -config ca.cnf -in server.csr -cert own.pem -keyfile own.key -notext -out "$1.pem" \
		-startdate "$2" -enddate "$3" -extfile <(echo 'subjectAltName=DNS:localhost') 2>"$1.errors" || cat "$1.errors"
}
ca own '/O=Own/CN=own ca'
ca evil '/O=Interception Inc/CN=evil proxy'
cert own server /CN=localhost
cert own client /CN=node
cert evil other /CN=localhost
dated expired 20200101000000Z 20200201000000Z
dated future 20980101000000Z 20990101000000Z
tls="ssl_certificate $T/server.pem; ssl_certificate_key $T/server.key;"
cd "$TOP"

NGINX_LISTEN_MORE=ssl NGINX_SERVER="$tls" start_nginx plain "$served"
NGINX_LISTEN_MORE=ssl NGINX_SERVER="$tls ssl_client_certificate $T/own.pem;
	ssl_verify_client on;" start_nginx mutual "$served"
NGINX_LISTEN_MORE=ssl NGINX_SERVER="ssl_certificate $T/other.pem;
	ssl_certificate_key $T/other.key;" start_nginx evil "$served"
for when in expired future; do
	NGINX_LISTEN_MORE=ssl NGINX_SERVER="ssl_certificate $T/$when.pem; ssl_certificate_key $T/server.key;" \
		start_nginx $when "$served"
done
NGINX_LISTEN_MORE=ssl NGINX_SERVER="$tls
	if (\$http_authorization != 'Bearer t0k3n') { return 401; }" start_nginx bearer "$served"
NGINX_LISTEN_MORE=ssl NGINX_SERVER="$tls auth_basic image;
	auth_basic_user_file $T/users;" start_nginx basic "$served"
printf 'me:%s\n' "$(openssl passwd -apr1 'pass word')" >"$T/users"
url() { echo "https://localhost:${nginx_port[$1]}/test.hri"; }

refused() # PATTERN ARGUMENT...
{
	local pattern=$1
	shift
	expect_exit 1 timeout 60 hydroot attach --name=tls1 --attach-timeout=3s "$@"
	assert_contains "$*" "$pattern" "$T/out"
	timeout 20 hydroot detach tls1 >"$T/out" 2>&1 || true
}
reads() # ARGUMENT...
{
	defer end_attachment tls1
	assert "attach $*" timeout 60 hydroot attach --name=tls1 --attach-timeout=30s "$@"
	dd if=/dev/hydroot/tls1 iflag=direct bs=1M count=8 status=none |
		cmp -n 8388608 - "$raw" || fail "the device differs"
	cp /run/hydroot/tls1/log "$T/log"
	hydroot status tls1 --json >"$T/status"
	tr '\0' '\n' <"/proc/$(daemon_pids tls1 | head -n 1)/cmdline" >"$T/cmdline"
	expect_exit 0 timeout 30 hydroot detach tls1
}

note "whom to believe"
reads --fill=manual --ca="$T/own.pem" "$(url plain)"
refused "is by 'own ca, Own'.*ca= lacks that issuer" "$(url plain)"
refused "is by 'evil proxy, Interception Inc'" --ca="$T/own.pem" "$(url evil)"
refused 'is for another name than 127.0.0.1' --ca="$T/own.pem" \
	"https://127.0.0.1:${nginx_port[plain]}/test.hri"
refused 'the certificate of localhost has expired: this clock says 20' --ca="$T/own.pem" "$(url expired)"
refused 'the certificate of localhost is not valid yet: this clock says 20' --ca="$T/own.pem" "$(url future)"
refused "ca: $T/own.key: no certificate" --ca="$T/own.key" "$(url plain)"

note "who we are"
reads --fill=manual --ca="$T/own.pem" --cert="$T/client.pem" --cert-key="$T/client.key" \
	"$(url mutual)"
refused 'client certificate|HTTP 400' --ca="$T/own.pem" "$(url mutual)"
refused 'cert-key: .*other.key: it is not the key' --cert="$T/client.pem" \
	--cert-key="$T/other.key" "$(url mutual)"

note "secrets"
printf 'localhost:%s bearer t0k3n\nhttps://localhost:%s basic me pass word\n' \
	"${nginx_port[bearer]}" "${nginx_port[basic]}" >"$T/secrets"
chmod 600 "$T/secrets"
for server in bearer basic; do
	reads --fill=manual --ca="$T/own.pem" --credentials="$T/secrets" "$(url $server)"
	refute "a secret is told" grep -E 't0k3n|pass word|bWU6' "$T/log" "$T/status" "$T/cmdline"
	refused 'HTTP 401: it wants credentials' --ca="$T/own.pem" "$(url $server)"
done
printf 'localhost basic me\n' >"$T/secrets"
refused "credentials: $T/secrets: line 1: wanted: HOST basic" --credentials="$T/secrets" \
	"$(url basic)"
