#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: asan
# timeout: 300
# A server that gives whole files only: full reads the image from front to back in one go, hybrid goes on
# as full, stream refuses.  A transfer that breaks goes on elsewhere or starts over, and what was wrong
# in it is asked for once more.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/proxy.sh
. "$TOP/tests/proxy.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
NGINX_SERVER='max_ranges 0;' start_nginx whole "$served"
start_nginx ranges "$served"
url=$(nginx_url whole test.hri)

same() { dd if="/dev/hydroot/$1" iflag=direct bs=1M status=none | cmp - "$raw" || fail "$1: the device differs"; }
requests() { grep -c test.hri "$1" || true; }

note "full: in one go"
attach nr1 --mode=full --attach-timeout=60s "$url"
assert_equal "state" resident "$(status_key nr1 .state)"
same nr1
hydroot detach nr1
assert_below "requests for all of it" 3 "$(requests "$(nginx_log whole)")"

note "hybrid: goes on as full, and says so"
attach nr2 --attach-timeout=60s "$url"
assert_equal "mode" full "$(status_key nr2 .mode)"
assert_contains "the warning" 'mode full instead of hybrid' <(status_key nr2 '.warnings[]')
assert "it is resident" status_is nr2 .state resident
same nr2
hydroot detach nr2

note "hybrid: an image that lies within the first answer"
mkdir "$T/small"
truncate -s 4M "$T/small.ext4"
mke2fs -q -t ext4 -b 4096 -O ^has_journal -m 0 "$T/small.ext4"
head -c 50000 /dev/urandom | dd of="$T/small.ext4" bs=1 seek=3000000 conv=notrunc status=none
"$TOP/build/hydroot-image" build "$T/small.ext4" "$T/small/small.hri"
assert_below "bytes of the image" 200000 "$(stat -c %s "$T/small/small.hri")"
NGINX_SERVER='max_ranges 0;' start_nginx small "$T/small"
attach nr10 --attach-timeout=60s "$(nginx_url small small.hri)"
assert_equal "mode" full "$(status_key nr10 .mode)"
timeout 60 cmp "$T/small.ext4" /dev/hydroot/nr10 || fail "nr10: the device differs, or a read hangs"
hydroot detach nr10

note "hybrid: not when it does not fit"
expect_exit 1 timeout 60 hydroot attach --name=nr3 --reserve=100% --attach-timeout=30s "$url"
assert_contains "why" 'cannot be streamed from a server without ranges' "$T/out"
refute "a device is left behind" test -e /dev/hydroot/nr3

note "hybrid with a store that is no block device"
attach nr4 --store=memory --attach-timeout=60s "$url"
same nr4
assert "it is resident" status_is nr4 .state resident
hydroot detach nr4

note "stream: refuses"
expect_exit 1 timeout 60 hydroot attach --name=nr5 --mode=stream --attach-timeout=30s "$url"
assert_contains "why" 'no server can give parts of a file' "$T/out"

note "stream: not by set either"
hydroot attach --name=nr11 --mode=full --rate=5M --attach-timeout=60s "$url" >"$T/nr11" 2>&1 &
copying=$!
defer end_attachment nr11
copied() { [ "$(status_key nr11 .resident.chunks 2>/dev/null)" -gt 5 ]; }
wait_for 20 "mode full to copy" copied
expect_exit 1 hydroot set nr11 mode=stream
assert_contains "why" 'no server can give parts of a file' "$T/out"
assert_equal "mode" full "$(status_key nr11 .mode)"
hydroot set nr11 rate=0
wait $copying || fail "attach ends with $?: $(cat "$T/nr11")"
same nr11
hydroot detach nr11

note "hybrid: a server with ranges is preferred"
attach nr6 --server="$(nginx_url ranges test.hri)" "$url"
assert_equal "mode" hybrid "$(status_key nr6 .mode)"
expect_exit 0 hydroot wait nr6 --for=resident --timeout=60s
same nr6
hydroot detach nr6

# The image is opened with the first transfer, and copied with the second.
note "full: the transfer breaks in the middle, and goes on at another"
start_scripted_proxy first whole
start_scripted_proxy second whole
proxy_rules first '2 : reset=20000000' '3- : status=503'
attach nr7 --mode=full --attach-timeout=60s --server="$(proxy_url second test.hri)" \
	"$(proxy_url first test.hri)"
same nr7
assert "the second was asked" test -s "$(proxy_log second)"
hydroot detach nr7

note "full: it breaks in the middle and starts over"
start_scripted_proxy alone whole
proxy_rules alone '2 : reset=30000000' '3 : truncate=40000000'
attach nr8 --mode=full --attach-timeout=60s "$(proxy_url alone test.hri)"
same nr8
assert_equal "transfers" 4 "$(requests "$(proxy_log alone)")"
hydroot detach nr8

note "full: wrong bytes in one chunk, once"
: >"$(proxy_log alone)"
proxy_rules alone '2 : corrupt=2'
attach nr9 --mode=full --attach-timeout=60s "$(proxy_url alone test.hri)"
same nr9
assert_contains "the log" 'wrong bytes' <(daemon_log nr9)
assert_equal "transfers" 3 "$(requests "$(proxy_log alone)")"
