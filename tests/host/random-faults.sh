#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# sanitizers: none
# 18,000 random reads, and at least 10,000 requests, to two servers that answer wrong in every way there is,
# each by its own seed: every byte is right, no read fails, and it comes to an end.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/proxy.sh
. "$TOP/tests/proxy.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
seed=${FAULT_SEED:-$RANDOM}
note "seeds $seed and $((seed + 1)); FAULT_SEED=$seed repeats them"
# Small chunks and a small cache, so that nearly every read needs its own, again and again; published, so that
# an image whose name seems to have moved on is found by its digest.
mkdir "$T/www"
"$TOP/build/hydroot-image" build --chunk-size=64K --level=1 "$raw" "$T/small.hri"
"$TOP/build/hydroot-image" publish "$T/small.hri" "$T/www"
start_nginx web "$T/www"

start_faultproxy a web --seed="$seed" --chance="${FAULT_CHANCE:-15}"
start_faultproxy b web --seed=$((seed + 1)) --chance="${FAULT_CHANCE:-15}"
attach faults1 --mode=stream --cache=16M --connections=8 --timeout=500ms --min-rate=20K --server="$(proxy_url b small.hri)" \
	"$(proxy_url a small.hri)"
readcheck "$device" "$raw" 18000 48 "$seed" >"$T/readers" || fail "a read failed or was wrong"
note "$(cat "$T/readers")"
note "demand: $(status_key faults1 '"\(.demand.chunks) chunks, p99 \(.demand.wait_ms_p99) ms"'), requests: $(status_key faults1 .fetched.requests)"

n_requests=0
for proxy in a b; do
	n_requests=$((n_requests + $(wc -l <"$(proxy_log $proxy)")))
	cut -d '"' -f 2 "$(proxy_log $proxy)" | sed 's/[= ].*//; s/^$/right/' | sort | uniq -c |
		sort -rn | awk '{ printf "%s %s, ", $2, $1 }' >"$T/kinds"
	note "server $proxy: $(cat "$T/kinds")"
	assert "server $proxy answered wrong often" test "$(proxy_faults $proxy '[a-z]')" -ge 300
done
assert "there were 10000 requests, not $n_requests" test "$n_requests" -ge 10000
# What was fetched ahead may still be wrong just now.
has_no_error() { [ -z "$(status_key faults1 '.error // ""')" ]; }
wait_for 30 "the attachment to be without an error" has_no_error
daemon_log faults1 >"$T/log"
assert_contains "wrong bytes were seen and refused" 'wrong SHA-256' "$T/log"
expect_exit 0 hydroot set faults1 mode=hybrid
expect_exit 0 hydroot wait faults1 --for=resident --timeout=200s
assert "the whole device" cmp "$raw" "$device"
