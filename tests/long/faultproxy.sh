#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The proxy of the fault tests does what its rules say, and the same for the same seed: a test of faults
# that did not happen would show nothing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/proxy.sh
. "$TOP/tests/proxy.sh"
requires nginx curl
mkdir "$T/www"
head -c 300000 /dev/urandom >"$T/www/f"
head -c 65536 "$T/www/f" | tail -c +1001 >"$T/want"
start_nginx web "$T/www"
start_scripted_proxy p web

# get [CURL-OPTION...]: bytes 1000-65535; sets $code, $status and leaves $T/head, $T/body
get()
{
	rm -f "$T/head" "$T/body"
	code=0
	status=$(curl -s -m 2 -r 1000-65535 -D "$T/head" -o "$T/body" -w '%{http_code}' "$@" \
		"$(proxy_url p f)") || code=$?
	touch "$T/head" "$T/body"
}

is_right() { cmp -s "$T/want" "$T/body"; }
body_bytes() { stat -c %s "$T/body"; }

# check FAULT CURL-CODE STATUS: what curl makes of it
check()
{
	proxy_rules p ": $1"
	get
	assert_equal "$1: curl's exit code and the status" "$2 $3" "$code $status"
}

get
assert "without a rule the file's bytes come" is_right
check chunked 0 206
assert "chunked is the right body" is_right
check headers=20 0 206
assert_equal "headers=20" 20 "$(grep -c X-Fault- "$T/head")"
check header-bytes=9000 0 206
assert "header-bytes" test "$(wc -c <"$T/head")" -gt 9000
check head-drip=1ms 0 206
assert "head-drip is the right body" is_right

check corrupt=5 0 206
assert_equal "corrupt: bytes that differ" 5 "$(cmp -l "$T/want" "$T/body" | wc -l)"
check range=7 0 206
assert_contains "range" 'Content-Range: bytes 1007-65542/300000' "$T/head"
check 'etag="x"' 0 206
assert_contains "etag" 'ETag: "x"' "$T/head"
check twice=ETag 0 206
assert_equal "twice: ETags" 2 "$(grep -c '^ETag' "$T/head")"
check encoding=br 0 206
assert_contains "encoding" 'Content-Encoding: br' "$T/head"
check header=X-A:b 0 206
assert_contains "header" 'X-A: b' "$T/head"
check whole 0 200
assert "whole" cmp "$T/www/f" "$T/body"
check html 0 200
assert_contains "html" '<html>' "$T/body"
check 'status=503 retry-after=7' 0 503
assert_contains "retry-after" 'Retry-After: 7' "$T/head"
check redirect=/g 0 302
assert_contains "redirect" 'Location: /g' "$T/head"

check truncate=777 18 206
assert_equal "truncate: bytes" 777 "$(body_bytes)"
check reset=777 56 206
check stall=777 28 206
assert_equal "stall: bytes" 777 "$(body_bytes)"
check length=5 18 206
check reset-head 56 000
check close-head 52 000
check stall-head 28 000
check garbage 1 000
check no-head 1 000
check rate=10K 28 206
assert_below "rate: bytes in 2 s" 40000 "$(body_bytes)"
check drip=5ms 28 206
assert_below "drip: bytes in 2 s" 500 "$(body_bytes)"
check endless-body 28 206
assert "endless-body: more than the file" test "$(body_bytes)" -gt 300000
for fault in endless-head endless-line endless-1xx; do
	proxy_rules p ": $fault"
	get
	refute "$fault: curl is content" test "$code" = 0
done

printf 'HTTP/1.1 206 Mine\r\nContent-Length: %%LENGTH%%\r\nX-Range: %%FIRST%%-%%LAST%%\r\n\r\n' >"$T/mine"
check "head=$T/mine" 0 206
assert_contains "head: numbers are filled in" 'X-Range: 1000-65535' "$T/head"
assert "head: the body is the file's" is_right
check "body=$T/mine" 18 206
assert "body" cmp "$T/mine" "$T/body"

proxy_rules p '# only some' '2-3 : status=500' '5- every=2 times=1 : status=501' \
	'path=*g* : status=502' 'bytes=0-999 : status=503'
for want in 206 500 500 206 501 206 206; do
	get
	assert_equal "rules: the status" $want "$status"
done
get -r 999-2000
assert_equal "rules: a range that touches the bytes" 503 "$status"
assert_equal "rules: the log" '2 "status=500" /f 1000-65535 0' "$(tail -n 7 "$(proxy_log p)" | sed -n 1p)"
refute "a wrong rule is accepted" faultproxy --to=127.0.0.1:1 --script=<(echo '1 : stumble')

draw() # SEED: the faults of 60 requests
{
	start_faultproxy r web --seed="$1" --chance=50 --faults=status,etag,range,corrupt
	: >"$(proxy_log r)"
	curl -s -m 20 -o /dev/null -r 0-9 "$(proxy_url r 'f?[1-60]')"
	stop_faultproxy r
	cut -d ' ' -f 1-3 "$(proxy_log r)" | sed 's|/f.*||'
}
draw 5 >"$T/five"
draw 5 >"$T/again"
draw 6 >"$T/six"
assert "the same seed gives the same faults" cmp "$T/five" "$T/again"
refute "another seed gives others" cmp -s "$T/five" "$T/six"
assert_below "faults of 60 at 50%" 45 "$(proxy_faults r '[a-z]')"
assert "faults of 60 at 50%" test "$(proxy_faults r '[a-z]')" -gt 15
refute "faults that were not asked for" grep -qE '"(stall|reset|html)' "$T/five"

start_faultproxy line web --rate=1M --delay=50ms
start=$(now_ms)
curl -s -o /dev/null "$(proxy_url line f)"
took=$(($(now_ms) - start))
note "300000 bytes at 1M a second and 50 ms each way: $took ms"
assert "the line is not faster than its rate and delay" test $took -ge 480
