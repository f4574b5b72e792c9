#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 500
# sanitizers: none
# A hostile server tries everything it can send: the daemon neither crashes nor grows, no wrong byte is
# read, and after each trick the reads go on, from the good server beside it and from the hostile one too
# once it behaves.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/proxy.sh
. "$TOP/tests/proxy.sh"
requires root fuse loop zram nginx jq zstd hydrootd
host_image
growth_kb=16384
mkdir "$T/www" "$T/evil"
"$TOP/build/hydroot-image" build --chunk-size=64K --level=1 "$raw" "$T/www/small.hri" 2>/dev/null
image=$T/www/small.hri chunk_bytes=65536
start_nginx good "$T/www"
start_nginx behind "$T/www"
start_scripted_proxy evil behind

# shellcheck disable=SC2034 # for lib.sh: what the network process makes of it is its own matter
net_may_die=yes
# The fill is what finds out that a server can be used again.
attach hostile1 --rate=400K --timeout=1s --min-rate=2K --server="$(nginx_url good small.hri)" \
	"$(proxy_url evil small.hri)"
data_offsets 100000 7 >"$T/all"
n_used=0

# Processes that are root: the keeper and serve.
root_pids()
{
	local pid
	for pid in $(daemon_pids hostile1); do
		if grep -qE '^Uid:[[:space:]]+0[[:space:]]' "/proc/$pid/status"; then echo "$pid"; fi
	done
}
memory_kb() { local p; for p in $(root_pids); do cat "/proc/$p/status"; done | awk '/^VmRSS/ { n += $2 } END { print n }'; }

# read_fresh N: N chunks that nobody read yet, at once
read_fresh()
{
	sed -n "$((n_used + 1)),$((n_used + $1))p" "$T/all" >"$T/offsets"
	n_used=$((n_used + $1))
	assert "there are chunks left to read" test "$(wc -l <"$T/offsets")" = "$1"
	timeout 60 io readers "$device" "$T/got" "$T/offsets" >"$T/readers" || fail "a read failed: $(cat "$T/readers")"
	expected_blocks "$raw" "$T/offsets" >"$T/want"
	assert "the bytes are the image's" cmp "$T/got" "$T/want"
}

lines() { wc -l <"$(proxy_log evil)"; }

# The requests from line N on have one whose fault begins like this.
has_seen() # N FAULT
{
	awk -v n="$1" -v fault="\"$2" 'NR >= n && index($2, fault) == 1 { found = 1 } END { exit !found }' \
		"$(proxy_log evil)"
}

# repeated TEXT TIMES
repeated() { awk -v text="$1" -v n="$2" 'BEGIN { while (n-- > 0) printf "%s", text }'; }

# trick NAME FAULT: the first requests are treated so
n_tricks=0
trick()
{
	local before=$(($(lines) + 1)) i
	proxy_rules evil "1-12 : $2"
	read_fresh 6
	# It is written down when the answer is over, and who gave up on it does not wait for that.
	wait_for 10 "$1: the server was not asked" has_seen "$before" "${2%% *}"
	assert_equal "$1: the keeper and serve" "$pids" "$(root_pids)"
	proxy_rules evil
	before=$(($(lines) + 1))
	# Only now, or there would soon be nothing left that could be asked for.
	hydroot resume hostile1
	for ((i = 0; i < 300; i++)); do
		! has_seen $before '"' || break
		sleep 0.05
	done
	hydroot pause hostile1
	[ $i -lt 300 ] || { daemon_log hostile1 | tail -n 20; hydroot status hostile1; fail "$1: the server is not used again"; }
	read_fresh 1
	n_tricks=$((n_tricks + 1))
}

# with_head NAME HEAD [BODY-FILE]: the answer's head, as printf writes it
with_head()
{
	local file
	file=$T/evil/head-$((++n_heads))
	# shellcheck disable=SC2059 # a format
	printf "$2" >"$file"
	trick "$1" "head=$file${3:+ body=$3}"
}
n_heads=0

hydroot pause hostile1
note "warming up"
read_fresh 200
pids=$(root_pids)
assert_equal "processes that are root" 2 "$(wc -w <<<"$pids")"
memory=$(memory_kb)

note "bodies"
head -c 1000000 /dev/urandom >"$T/evil/random"
head -c 1000000 /dev/zero >"$T/evil/zeros"
head -c 2G /dev/zero | zstd -q -1 -T0 >"$T/evil/bomb.zst"
head -c 500M /dev/zero | gzip -1 >"$T/evil/bomb.gz"
n_ok='HTTP/1.1 206 Partial Content\r\nContent-Length: %%LENGTH%%\r\nContent-Range: bytes %%FIRST%%-%%LAST%%/'$(stat -c %s "$image")'\r\n'
trick 'wrong bytes' corrupt=40
with_head 'bytes of something else' "$n_ok\\r\\n" "$T/evil/random"
with_head 'zeros' "$n_ok\\r\\n" "$T/evil/zeros"
with_head 'a zstd bomb for a chunk' "$n_ok\\r\\n" "$T/evil/bomb.zst"
with_head 'a gzip bomb, said to be' "${n_ok}Content-Encoding: gzip\\r\\n\\r\\n" "$T/evil/bomb.gz"
with_head 'a gzip bomb in the transfer' 'HTTP/1.1 206 P\r\nTransfer-Encoding: gzip, chunked\r\nContent-Range: bytes %%FIRST%%-%%LAST%%/'"$(stat -c %s "$image")"'\r\n\r\n' "$T/evil/bomb.gz"
trick 'an endless body' endless-body
trick 'a body in drops' drip=50ms
trick 'a body that stops' stall=1000
trick 'half of a body' truncate=1000
trick 'a reset' reset=1000
printf -- '--B\r\nContent-Range: bytes 0-9/20\r\n\r\n0123456789\r\n--B\r\nContent-Range: bytes 5-14/20\r\n\r\n5678901234\r\n--B--\r\n' >"$T/evil/parts"
with_head 'many parts' "HTTP/1.1 206 P\\r\\nContent-Type: multipart/byteranges; boundary=B\\r\\nContent-Length: $(stat -c %s "$T/evil/parts")\\r\\n\\r\\n" "$T/evil/parts"

note "chunked transfers"
trick 'chunked, and right' chunked
te='HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes %%FIRST%%-%%LAST%%/'$(stat -c %s "$image")'\r\n\r\n'
printf 'ffffffffffffffff\r\nabc' >"$T/evil/chunk-huge"
with_head 'a chunk of 2^64 bytes' "$te" "$T/evil/chunk-huge"
printf -- '-1\r\nabc' >"$T/evil/chunk-negative"
with_head 'a chunk of -1 bytes' "$te" "$T/evil/chunk-negative"
{ printf '1;'; head -c 900000 /dev/zero | tr '\0' x; } >"$T/evil/chunk-extension"
with_head 'a chunk extension of a megabyte' "$te" "$T/evil/chunk-extension"
repeated '0\r\nTrailer: for ever' 1 >"$T/evil/trailers"
repeated '\r\nTrailer: for ever' 40000 >>"$T/evil/trailers"
with_head 'trailers of a megabyte' "$te" "$T/evil/trailers"
repeated '1\r\nx\r\n' 150000 >"$T/evil/chunk-bytes"
with_head 'chunks of a byte' "$te" "$T/evil/chunk-bytes"

note "heads"
trick 'garbage' garbage
trick 'HTTP/0.9' no-head
trick 'a head in drops' head-drip=50ms
trick 'headers for ever' endless-head
trick 'a header for ever' endless-line
trick '100 Continue for ever' endless-1xx
trick 'ten thousand headers' headers=9000
trick 'a header of 400 KB' header-bytes=400000
trick 'no answer' stall-head
trick 'closed' close-head
with_head 'NULs' 'HTTP/1.1 206 P\r\nX: a\0b\r\nContent-Length\0: 5\r\nContent-Range: bytes 0-4/5\0\r\n\r\n'
with_head 'only NULs' '\0\0\0\0\0\0\0\0\r\n\r\n'
with_head 'no status' 'HTTP/1.1\r\n\r\n'
with_head 'status 99999999999' 'HTTP/1.1 99999999999 X\r\n\r\n'
with_head 'status -206' 'HTTP/1.1 -206 X\r\n\r\n'
with_head 'HTTP/99' 'HTTP/99.99 206 X\r\n\r\n'
with_head '101, another protocol' 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'
with_head '204' 'HTTP/1.1 204 No Content\r\n\r\n'
with_head '304' 'HTTP/1.1 304 Not Modified\r\n\r\n'
with_head '401' 'HTTP/1.1 401 U\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
with_head '407' 'HTTP/1.1 407 P\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
with_head '511' 'HTTP/1.1 511 N\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n'
with_head 'Retry-After of ages' 'HTTP/1.1 200 N\r\nRetry-After: 99999999999999999999\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n'
with_head 'cookies and advice' "${n_ok}Set-Cookie: $(head -c 4000 /dev/zero | tr '\0' c)=1; domain=.\\r\\nAlt-Svc: h3=\":1\"\\r\\nStrict-Transport-Security: max-age=999999999\\r\\nContent-Encoding: br\\r\\n\\r\\n"
trick 'an HTML page' html
trick '500' status=500

note "ranges and lengths"
trick 'another range' range=4096
trick 'a range from before' range=-4096
trick 'two ranges' twice=Content-Range
trick 'two lengths' twice=Content-Length
trick 'a length too long' length=5
trick 'a length too short' length=-5
bad_range() { with_head "Content-Range: $1" "HTTP/1.1 206 P\\r\\nContent-Length: %%LENGTH%%\\r\\nContent-Range: $1\\r\\n\\r\\n"; }
bad_range 'bytes -5-10/100'
bad_range 'bytes 100-50/200'
bad_range 'bytes 0-18446744073709551615/18446744073709551616'
bad_range 'bytes %%FIRST%%-%%LAST%%/*'
bad_range 'bytes */*'
bad_range 'bytes %%FIRST%%-%%LAST%%, 0-5/'"$(stat -c %s "$image")"
bad_range 'lines 0-1/2'
bad_range ''
bad_length() { with_head "Content-Length: $1" "HTTP/1.1 206 P\\r\\nContent-Length: $1\\r\\nContent-Range: bytes %%FIRST%%-%%LAST%%/$(stat -c %s "$image")\\r\\n\\r\\n"; }
bad_length -1
bad_length 99999999999999999999999999
bad_length 9223372036854775807
bad_length 0x10
bad_length '5, 5'

note "redirects"
trick 'in a circle' redirect=/small.hri
trick 'to a file' redirect=file:///etc/passwd
for url in file://localhost/proc/self/mem ftp://127.0.0.1/ gopher://127.0.0.1:1/_x dict://127.0.0.1/d:x \
	ldap://127.0.0.1/ tftp://127.0.0.1/x telnet://127.0.0.1:1 smb://127.0.0.1/x http://127.0.0.1:1/ \
	'http://[::1]:1/' //// 'http:///' 'http://%00/' 'https://127.0.0.1:1/' 'data:,x'; do
	trick "to $url" "redirect=$url"
done
with_head 'to nowhere' 'HTTP/1.1 302 F\r\nLocation:\r\nContent-Length: 0\r\n\r\n'
with_head 'to a URL of 200 KB' "HTTP/1.1 302 F\\r\\nLocation: http://127.0.0.1/$(head -c 90000 /dev/zero | tr '\0' u)\\r\\nContent-Length: 0\\r\\n\\r\\n"
with_head 'to two places' 'HTTP/1.1 302 F\r\nLocation: /a\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n'

after=$(memory_kb)
note "$n_tricks tricks; keeper and serve have $memory KB before, $after KB after; network process restarted $(status_key hostile1 '.net_restarts // 0') times"
assert_below "KB that the daemon has grown by" "$growth_kb" $((after - memory))
assert_equal "the keeper and serve" "$pids" "$(root_pids)"
