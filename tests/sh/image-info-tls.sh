#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# info of an https URL believes the CA that --ca names, and no other; a client certificate is given where
# the server wants one.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires nginx openssl
export no_proxy='*'
mkdir "$T/www"
seq 100000 >"$T/fs"
hydroot-image build --chunk-size=64K --level=1 "$T/fs" "$T/www/x.hri" 2>/dev/null
hydroot-image info "$T/www/x.hri" >"$T/file"

key() { openssl req "$@" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes 2>/dev/null; }
for ca in own other; do
	key -x509 -days 3 -subj "/CN=$ca" -keyout "$T/$ca.key" -out "$T/$ca.pem"
done
for name in server client; do
	key -subj "/CN=$name" -keyout "$T/$name.key" -out "$T/$name.csr"
	openssl x509 -req -in "$T/$name.csr" -CA "$T/own.pem" -CAkey "$T/own.key" -CAcreateserial -days 3 \
		-extfile <(echo 'subjectAltName=DNS:localhost') -out "$T/$name.pem" 2>/dev/null
done
tls="ssl_certificate $T/server.pem; ssl_certificate_key $T/server.key;"
NGINX_LISTEN_MORE=ssl NGINX_SERVER="$tls" start_nginx plain "$T/www"
NGINX_LISTEN_MORE=ssl NGINX_SERVER="$tls ssl_client_certificate $T/own.pem; ssl_verify_client on;" \
	start_nginx mutual "$T/www"
url() { echo "https://localhost:${nginx_port[$1]}/x.hri"; } # SERVER

same() # ARGUMENT...: it shows what it shows of the file
{
	hydroot-image info "$@" >"$T/url" || fail "info $*"
	assert "info $*" cmp "$T/file" "$T/url"
}
refused() # PATTERN ARGUMENT...
{
	expect_exit 1 hydroot-image info "${@:2}"
	assert_contains "${*:2}" "hydroot-image: $1" "$T/out"
}

same --ca="$T/own.pem" "$(url plain)"
refused "$(url plain): .*certificate" "$(url plain)"
refused "$(url plain): .*certificate" --ca="$T/other.pem" "$(url plain)"
refused "$(url plain): .*$T/none" --ca="$T/none" "$(url plain)"

same --ca="$T/own.pem" --cert="$T/client.pem" --cert-key="$T/client.key" "$(url mutual)"
cat "$T/client.pem" "$T/client.key" >"$T/both.pem"
same --ca="$T/own.pem" --cert="$T/both.pem" "$(url mutual)"
refused "$(url mutual): the server answers 400" --ca="$T/own.pem" "$(url mutual)"
refused "$(url mutual): .*$T/none" --ca="$T/own.pem" --cert="$T/client.pem" --cert-key="$T/none" "$(url mutual)"
expect_exit 2 hydroot-image info --cert-key="$T/client.key" "$(url mutual)"
assert_contains "a key alone" 'give --cert=FILE too' "$T/out"
