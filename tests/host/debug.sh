#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: none
# timeout: 60
# --debug says each step of an attachment, from the options to the handover; without it there is none of that.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq hydrootd
host_image
start_nginx web "$served"

attach debug1 --read-only "$(nginx_url web test.hri)" 2>"$T/quiet"
refute "steps without debug" grep -qE ': (prepare|start|request|loop|fuse): ' "$T/quiet" /run/hydroot/debug1/log
expect_exit 0 hydroot detach debug1

attach debug1 --debug --read-only "$(nginx_url web test.hri)" 2>"$T/attach"
expect_exit 0 hydroot wait debug1 --timeout=60s
method=$(status_key debug1 .handover.method)
log=/run/hydroot/debug1/log
for step in 'prepare: network process' 'start: image' \
	"request: $(nginx_url web test.hri) \[0\+262144\]" 'image: sha256:[0-9a-f]{64}, [0-9]+ chunks' \
	'start: memory' 'store: zram /dev/zram[0-9]+' 'start: threads' 'fuse: the file is there' \
	'loop: /dev/loop[0-9]+ over ' 'block device: /dev/' "handover: by $method onto /dev/zram[0-9]+"; do
	assert_contains "a step" "debug1: $step" "$log"
done
assert_contains "on the console" 'hydrootd: debug1: start: store' "$T/attach"
