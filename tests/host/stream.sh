#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# sanitizers: asan
# In mode stream an image that is larger than the cache is read to its end, twice, with every byte right,
# while the store keeps its budget; what is written stays.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"
budget=$((24 << 20))

watch_budget() # NAME: until it is ended; the largest use goes to a file
{
	local used max=0
	while used=$(status_key "$1" .store.used_bytes); do
		[ "$used" -le "$max" ] || { max=$used; echo "$max" >"$T/max-$1"; }
		sleep 0.1
	done
}

read_all() # NAME
{
	dd if="$device" iflag=direct bs=1M status=none | cmp - "$raw" || fail "$1: the device differs"
}

attach stream1 --mode=stream --cache=$budget "$(nginx_url web test.hri)"
assert_equal "state" streaming "$(status_key stream1 .state)"
assert_equal "mode" stream "$(status_key stream1 .mode)"
assert_equal "budget" $budget "$(status_key stream1 .store.limit_bytes)"
watch_budget stream1 &
watcher=$!
defer end_process $watcher
note "reading all of it, twice"
read_all "first time"
fetched=$(status_key stream1 '.fetched | .demand_bytes + .ahead_bytes')
read_all "second time"
again=$(($(status_key stream1 '.fetched | .demand_bytes + .ahead_bytes') - fetched))
note "fetched $fetched bytes, then $again; the store took up to $(cat "$T/max-stream1") of $budget"
assert_below "the cache kept more than it can" "$again" $((fetched / 2))
assert_below "it was never full: the test shows nothing" "$(cat "$T/max-stream1")" $((budget / 2))
assert_below "use of the store" $((budget + 1)) "$(cat "$T/max-stream1")"
assert_equal "nothing is filled" 0 "$(status_key stream1 .fetched.fill_bytes)"
resident=$(status_key stream1 .resident.chunks)
assert_below "resident chunks" "$n_chunks" "$resident"
expect_exit 4 timeout 20 hydroot wait stream1 --for=resident

note "written blocks stay while the rest comes and goes"
cp "$raw" "$T/copy"
for i in 3 40 41 97 150; do
	head -c $((i % 7 * 4096 + 4096)) /dev/urandom >"$T/piece"
	for file in "$device" "$T/copy"; do
		dd if="$T/piece" of="$file" bs=4096 seek=$((i * 256 + 5)) conv=notrunc \
			oflag=nocache status=none
	done
done
blockdev --flushbufs "$device"
raw=$T/copy
read_all "after writing"
io readers "$device" "$T/got" <(tests/chunks.sh "$image" | awk -v c="$chunk_bytes" '{ print $1 * c }')
read_all "after reading here and there"
assert_below "use of the store" $((budget + 1)) "$(cat "$T/max-stream1")"
refute "something went wrong with the store" grep -q store: <(daemon_log stream1)
hydroot detach stream1
