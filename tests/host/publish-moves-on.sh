#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: none
# Another image is published under the name of one that is being fetched: every byte is still the first
# image's.  A node that knows the digest finds the old one later too, and one that does not gets the new.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
tool=$TOP/build/hydroot-image
www=$T/www
mkdir "$www"
digest=$("$tool" info --json "$image" | jq -r .digest)
cp "$image" "$T/node.hri"
"$tool" publish "$T/node.hri" "$www"
start_nginx web "$www"

attach moves1 --rate=10M "$(nginx_url web node.hri)"
first=$device
hydroot pause moves1
assert "state paused" status_is moves1 .state paused
before=$(status_key moves1 .resident.chunks)
assert_below "chunks before the name moves on" "$n_chunks" "$before"

# The other one, of another length.
head -c 20000000 /dev/urandom >"$T/other"
truncate -s 32M "$T/other"
mkdir "$T/new"
"$tool" build "$T/other" "$T/new/node.hri" 2>/dev/null
"$tool" publish "$T/new/node.hri" "$www"
refute "the name is still the old one" cmp -s "$www/node.hri" "$image"

note "reading the last part, the fill paused at $before chunks"
last=$((150 * 1024 * 1024))
assert "the first image's bytes" cmp -i $last "$raw" "$first"
assert_equal "the server's state" ok "$(status_key moves1 '.servers[0].state')"
hydroot resume moves1
expect_exit 0 hydroot wait moves1 --for=resident --timeout=60s
assert "the first image's bytes when all are here" cmp "$raw" "$first"
daemon_log moves1 >"$T/log"
assert_contains "said in the log" 'node.hri: .*replaced: going on from by-digest/' "$T/log"
assert_contains "asked for by its digest" "by-digest/${digest#sha256:}.hri" "$(nginx_log web)"
hydroot detach moves1

note "a node that knows the digest"
attach moves2 --digest="$digest" "$(nginx_url web node.hri)"
assert "the pinned image's bytes" cmp "$raw" "$device"
note "a node that does not"
attach moves3 "$(nginx_url web node.hri)"
assert "the new image's bytes" cmp "$T/other" "$device"

note "the name is gone altogether"
hydroot detach moves2
"$tool" publish "$T/node.hri" "$www"
attach moves4 --rate=5M "$(nginx_url web node.hri)"
rm "$www/node.hri"
assert "still the pinned image's bytes" cmp "$raw" "$device"
