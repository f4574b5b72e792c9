#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# sanitizers: none
# Metrics and report of a real attachment: while it fills, while no server is there, after the handover.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
requires root fuse loop zram nginx jq xmllint hydrootd
host_image
start_nginx web "$served"

attach report1 --read-only --rate=2M "$(nginx_url web test.hri)"
data_offsets 60 5 >"$T/offsets"
io readers "$device" "$T/got" "$T/offsets"
stop_nginx web
data_offsets 200 6 | tail -n 20 >"$T/offsets2"
io readers "$device" "$T/got2" "$T/offsets2" &
readers=$!
defer end_process $readers
wait_for 20 "stalled" status_is report1 .state stalled

metric() { sed -n "s/^hydroot_$1{name=\"report1\"$2} //p" "$T/metrics"; } # NAME MORE-LABELS
hydroot status --metrics report1 >"$T/metrics"
assert_equal "state" 1 "$(metric state ',state="stalled"')"
assert_equal "restarts of the serving process" 0 "$(metric serve_restarts_total "")"
assert_equal "server" 1 "$(grep -c '^hydroot_server_up{name="report1",server="0",url="http://127.0.0.1:[0-9]*/test.hri"} 0$' "$T/metrics")"
waited=$(metric demand_wait_seconds_count '')
assert_equal "reads that waited" "$(status_key report1 .demand.wait_seconds.count)" "$waited"
[ "$waited" -ge 1 ] || fail "no read waited"
[ "$(metric demand_waiting_reads '')" -ge 1 ] || fail "no read waits"
assert_equal "last bucket" "$waited" "$(metric demand_wait_seconds_bucket ',le="+Inf"')"
hydroot status --metrics >"$T/all"
assert_contains "it is among all attachments" '^hydroot_info[{]name="report1",' "$T/all"

note "the report of a daemon that lives"
expect_exit 0 hydroot report report1 --svg
assert_contains "the outage" 'no server was usable' "$T/out"
xmllint --nonet --noout "$T/out"

note "watch, one object a line, until the daemon has gone"
timeout 100 hydroot status report1 --watch --json >"$T/watch" &
watch=$!
defer end_process $watch
restart_nginx web
wait $readers
hydroot set report1 rate=0
expect_exit 0 hydroot wait report1 --for=resident --timeout=60s
wait $watch || fail "hydroot status --watch: exit code $?"
assert_equal "last state" resident "$(tail -n 1 "$T/watch" | jq -r .state)"
assert_equal "objects" "$(wc -l <"$T/watch")" "$(jq -c .schema "$T/watch" | wc -l)"

note "after the handover"
assert_equal "method" loop "$(status_key report1 .handover.method)"
assert_equal "the record is root's alone" 600 "$(stat -c %a /run/hydroot/report1/report)"
report() { jq "$1" /run/hydroot/report1/report; } # JQ
for class in demand hot ahead fill wire; do
	assert_equal "the sum of $class" "$(status_key report1 ".fetched.${class}_bytes")" \
		"$(report ".timeline.${class}_bytes | add")"
done
assert_equal "requests" "$(status_key report1 .fetched.requests)" "$(report '.timeline.requests | add')"
assert_equal "waits" "$(status_key report1 .demand.wait_seconds.count)" "$(report '.timeline.waited | add')"
assert_equal "all there at the end" 128 "$(report '.timeline.resident[-1] | length')"
refute "a strip is not there" grep -qv '^f*$' <(report '.timeline.resident[-1]' | tr -d '"')
[ "$(report '[.timeline.states[] | select(contains("stalled"))] | length')" -ge 1 ] || fail "no outage"
[ "$(report '[.timeline.wanted[] | select(. != "0000000000000000")] | length')" -ge 2 ] || fail "nothing wanted"
for form in svg html; do
	expect_exit 0 hydroot report report1 --$form --output="$T/report.$form"
	xmllint --nonet --noout "$T/report.$form"
done
assert_contains "the handover" 'handed over to the kernel by loop' "$T/report.html"
hydroot status report1 --metrics >"$T/metrics"
assert_equal "no daemon" 0 "$(metric daemon_up '')"
assert_equal "handed over" 1 "$(metric handover_done '')"
expect_exit 0 hydroot detach report1
refute "the run directory is left" test -e /run/hydroot/report1
