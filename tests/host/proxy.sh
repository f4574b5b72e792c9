#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# sanitizers: none
# Through a proxy that wants a password, http and https alike; the failure names the proxy.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq tinyproxy openssl hydrootd
host_image
start_nginx web "$served"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=own \
	-addext subjectAltName=DNS:localhost -keyout "$T/key" -out "$T/pem" 2>/dev/null
NGINX_LISTEN_MORE=ssl NGINX_SERVER="ssl_certificate $T/pem; ssl_certificate_key $T/key;" \
	start_nginx tls "$served"

port=$(free_port)
cat >"$T/tinyproxy.conf" <<-END
	Port $port
	Listen 127.0.0.1
	Allow 127.0.0.1
	BasicAuth me secret
	Timeout 600
	LogFile "$T/tinyproxy.log"
	LogLevel Connect
	PidFile "$T/tinyproxy.pid"
END
evidence+=("$T/tinyproxy.log")
tinyproxy -d -c "$T/tinyproxy.conf" >"$T/tinyproxy.out" 2>&1 </dev/null &
proxy=$!
defer end_process $proxy
wait_for 10 tinyproxy test -s "$T/tinyproxy.pid"
echo "127.0.0.1:$port basic me secret" >"$T/secrets"
chmod 600 "$T/secrets"

through() # URL
{
	attach proxy1 --fill=manual --proxy="127.0.0.1:$port" --credentials="$T/secrets" \
		--ca="$T/pem" --attach-timeout=30s "$1"
	dd if="$device" iflag=direct bs=1M count=8 status=none | cmp -n 8388608 - "$raw" ||
		fail "the device differs"
	expect_exit 0 timeout 30 hydroot detach proxy1
}
refused() # PATTERN URL
{
	expect_exit 1 timeout 60 hydroot attach --name=proxy1 --proxy="127.0.0.1:$port" \
		--ca="$T/pem" --attach-timeout=3s "$2"
	assert_contains "$2" "$1" "$T/out"
	timeout 20 hydroot detach proxy1 >"$T/out" 2>&1 || true
}

tls_url=https://localhost:${nginx_port[tls]}/test.hri
through "$(nginx_url web test.hri)"
assert_contains "the proxy was used" "Established connection to host \"127.0.0.1\"" "$T/tinyproxy.log"
through "$tls_url"
assert_contains "the proxy was used for https" 'CONNECT localhost' "$T/tinyproxy.log"
refused 'HTTP 407: the proxy wants a user name' "$(nginx_url web test.hri)"
refused 'the proxy 127.0.0.1 does not connect: HTTP 407' "$tls_url"
end_process $proxy
refused 'connection refused by the proxy 127.0.0.1' "$tls_url"
