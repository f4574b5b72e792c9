#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 240
# hydroot set adds and removes servers while reads are served: what the first cannot give any more comes from
# the new one, also with a new network process, and the fill ends with every byte right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx a "$served"
mkdir -p "$T/other/deep"
cp "$image" "$T/other/deep/test.hri"
auth="auth_basic on; auth_basic_user_file $T/users;"
echo 'reader:{PLAIN}word' >"$T/users"
chmod 644 "$T/users"
NGINX_SERVER=$auth start_nginx b "$T/other"
echo "127.0.0.1:${nginx_port[b]} basic reader word" >"$T/credentials"
chmod 600 "$T/credentials"
a=$(nginx_url a test.hri) b=$(nginx_url b deep/test.hri)
data_offsets 200 5 >"$T/all"
n_used=0

read_some() # N
{
	sed -n "$((n_used + 1)),$((n_used + $1))p" "$T/all" >"$T/offsets"
	n_used=$((n_used + $1))
	timeout 60 io readers "$device" "$T/got" "$T/offsets" >/dev/null || fail "a read failed"
	expected_blocks "$raw" "$T/offsets" | cmp - "$T/got" || fail "wrong bytes"
}
urls() { status_key set3 '[.servers[].url] | join(" ")'; }
answered() { awk '$3 == 206' "$(nginx_log "$1")" | wc -l; } # NGINX

# shellcheck disable=SC2034 # for lib.sh: it is killed here
net_may_die=yes
attach set3 --fill=manual --credentials="$T/credentials" --connect-timeout=1s "$a"
read_some 10
assert_equal "requests to b" 0 "$(answered b)"

note "what is refused changes nothing"
expect_exit 1 hydroot set set3 server="file://$image"
assert_contains "why" 'files cannot be opened any more' "$T/out"
expect_exit 1 hydroot set set3 server="-$a"
assert_contains "why" 'the last one must stay' "$T/out"
expect_exit 2 hydroot set set3 server=ftp://127.0.0.1/x
assert_equal "servers" "$a" "$(urls)"

note "another, and the first stops"
expect_exit 0 hydroot set set3 server="$b"
assert_equal "servers" "$a $b" "$(urls)"
read_some 10
stop_nginx a
read_some 20
assert_equal "b is used" true "$([ "$(answered b)" -gt 0 ] && echo true)"
expect_exit 0 hydroot set set3 server="-$a"
assert_equal "servers" "$b" "$(urls)"
read_some 20
if grep -q password <(daemon_log set3; hydroot status set3 --json); then fail "a secret is shown"; fi

note "a new network process is told of it"
kill -9 "$(net_pid set3)"
wait_for 10 "another network process" net_pid set3
read_some 20

note "a new serving process knows it"
keeper=$(keeper_pid set3)
kill_serve "$keeper"
read_some 10
assert_equal "servers" "$b" "$(urls)"

note "there and back, under load"
restart_nginx a
hydroot set set3 rate=500K
hydroot resume set3
for i in 1 2 3 4 5; do
	expect_exit 0 hydroot set set3 server="$a"
	read_some 6
	expect_exit 0 hydroot set set3 server="-$b"
	read_some 6
	expect_exit 0 hydroot set set3 server="$b" server="-$a" rate=$((i * 500))K
	assert_equal "servers" "$b" "$(urls)"
	read_some 6
done

note "as many as there may be"
words=()
for ((i = 2; i <= 16; i++)); do words+=("server=http://127.0.0.1:1/$i.hri"); done
expect_exit 0 hydroot set set3 "${words[@]}"
expect_exit 1 hydroot set set3 server=http://127.0.0.1:1/17.hri
assert_equal "servers" 16 "$(status_key set3 '.servers | length')"
read_some 5
expect_exit 0 hydroot set set3 rate=0
expect_exit 0 hydroot wait set3 --for=resident --timeout=90s
dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "the device differs"
hydroot detach set3

note "refused with another key: no server has changed, not even for a moment"
attach set4 --mode=stream --cache=64M --store=memory --reserve=100% "file://$image"
device=/dev/hydroot/set4
read_from_file() # CHUNK
{
	local skip=$(($1 * chunk_bytes / 4096))
	timeout 20 dd if="$device" iflag=direct bs=4096 skip=$skip count=1 status=none of="$T/got" ||
		fail "the file is not read any more"
	cmp -s "$T/got" <(dd if="$raw" bs=4096 skip=$skip count=1 status=none) || fail "chunk $1 differs"
}
read_from_file 10
for ((i = 20; i < 60; i++)); do
	expect_exit 1 hydroot set set4 server="$a" server="-file://$image" mode=hybrid
	assert_equal "servers" "file://$image" "$(status_key set4 '.servers[].url')"
	read_from_file $i
done
assert_equal "errors of the file" 0 "$(status_key set4 '.servers[0].errors')"
