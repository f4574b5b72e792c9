#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 300
# alone: recovery takes two seconds at most
# A read waits for a server that is away, with its port closed or with its host down, where every packet
# is lost: it is answered within 2 s of the server's return, each time, also when its transfer was under way before.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq ip hydrootd
host_image
bound_ms=$((2000 * ${HYDROOT_SLOWER:-1}))

# A host that can be taken away: its own namespace, and an address that the other end never has to ask for.
ns=hydroot-away-$$ dev=hya$$ net=192.168.$((200 + $$ % 50))
ip netns add "$ns" 2>/dev/null || skip "needs network namespaces"
defer ip netns delete "$ns"
ip link add "$dev" type veth peer name eth0 netns "$ns"
ip address add "$net.1/30" dev "$dev"
ip link set "$dev" up
ip -n "$ns" link set eth0 up
host_up() { ip -n "$ns" address add "$net.2/30" dev eth0; }
host_down() { ip -n "$ns" address delete "$net.2/30" dev eth0; }
host_up
mac=$(ip -n "$ns" -o link show eth0 | sed 's/.*link.ether \([^ ]*\).*/\1/')
ip neighbour replace "$net.2" lladdr "$mac" dev "$dev" nud permanent
port=$(free_port)
NGINX_PREFIX="ip netns exec $ns" NGINX_LISTEN=$net.2 start_nginx far "$served" "$port"
start_nginx near "$served"

data_offsets "$n_chunks" 11 | awk -v c="$chunk_bytes" '$1 >= 4 * c' >"$T/all"
# starts_reading NAME: what $T/offsets says; sets $reader
starts_reading()
{
	io readers "/dev/hydroot/$1" "$T/got" "$T/offsets" >"$T/reader" 2>&1 &
	reader=$!
	defer end_process $reader
}

# is_answered NAME MS: the server has come back this moment
is_answered()
{
	local start ms
	start=$(now_ms)
	wait "$reader" || fail "the read failed: $(cat "$T/reader")"
	ms=$(($(now_ms) - start))
	note "$1: answered $ms ms after the server's return"
	expected_blocks "$raw" "$T/offsets" >"$T/want"
	assert "the block is the image's" cmp "$T/got" "$T/want"
	assert_below "ms from the server's return" "$2" "$ms"
}

next=0
# recovers NAME DOWN UP ERROR: a read of a missing chunk begins while the server is away
recovers()
{
	local name=$1 down=$2 up=$3 error=$4 offset
	next=$((next + 1))
	offset=$(sed -n "${next}p" "$T/all")
	$down
	echo "$offset" >"$T/offsets"
	starts_reading "$name"
	failed() { status_key "$name" '.servers[0].last_error' | grep -qE "$error"; }
	wait_for 30 "the error '$error'" failed
	# At a moment that nobody chose, when the backoff is as long as it gets.
	sleep "$((4 + RANDOM % 3)).$((RANDOM % 10))"
	assert "the read still waits" kill -0 "$reader"
	$up
	is_answered "$name" "$bound_ms"
}

attach back1 --fill=manual --timeout=2s "$(nginx_url near test.hri)"
for _ in 1 2; do
	recovers back1 "stop_nginx near" "restart_nginx near" '^connection refused by 127.0.0.1$'
done
hydroot detach back1

attach back2 --fill=manual --timeout=2s "http://$net.2:$port/test.hri"
for _ in 1 2 3; do
	recovers back2 host_down host_up "^no connection to $net.2 within"
done

# A transfer stands still with its host: by itself TCP goes on only when it sends again, 6 to 7 s and 12 to 14 s after
# the first loss, and nginx sends once a second: so the outage ends in between.
NGINX_PREFIX="ip netns exec $ns" NGINX_LISTEN=$net.2 start_nginx slow "$served" "$((port + 1))" 200k
attach back3 --fill=manual --timeout=60s "http://$net.2:$((port + 1))/test.hri"
tests/chunks.sh "$image" | awk -v c="$chunk_bytes" '$3 > 0.9 * c { print $1 * c }' >"$T/large"
for nth in 20 40; do
	sed -n "${nth}p" "$T/large" >"$T/offsets"
	starts_reading back3
	sleep 0.5
	host_down
	sleep 9
	assert "the read still waits" kill -0 "$reader"
	host_up
	# What is left of the chunk takes less than the time that is added.
	is_answered back3 $((bound_ms + 1500))
done
assert_contains "why the transfer ended" "$net.2 was away and is back: a new connection to it" <(daemon_log back3)
