#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot status --metrics: Prometheus text of all attachments, whatever their texts hold, also as a file
. "$(dirname "$0")/../lib.sh"
requires jq
export HYDROOT_RUN_DIR=$T/run

leave() # NAME STATE
{
	mkdir -p "$T/run/$1"
	jq -n --arg name "$1" --arg state "$2" '{schema: 1, name: $name, mode: "hybrid", state: $state,
		warnings: ["w"], device: "/dev/hydroot/\($name)", eta_seconds: null,
		image: {url: "http://h/\"a\\b\nc\u001b", digest: "sha256:00", bytes: 1048576, chunks: 2},
		resident: {chunks: 1, bytes: 524288}, seconds: {ready: 1.25, resident: null},
		fetched: {hot_bytes: 1, demand_bytes: 2, ahead_bytes: 9, fill_bytes: 3, wire_bytes: 4503599627370497, requests: 4},
		demand: {chunks: 5, waiting: 1, wait_seconds: {count: 7, sum: 0.5,
			buckets: [{le: 0.000256, count: 3}, {le: 0.000512, count: 6}]}},
		servers: [{url: "http://h/é", state: "ok", errors: 0}, {url: "http://h/é", state: "failing", errors: 8}],
		store: {kind: "zram", used_bytes: 10, limit_bytes: 0}, handover: {done: true, method: "dm"}
		}' >"$T/run/$1/status.json"
}

# The exposition format, strictly: HELP, TYPE, then the samples of that name and no other; no name
# and no sample twice; labels in quotes with no escapes but three; numbers.
check_format() # FILE
{
	awk '
		function bad(why) { print FILENAME ":" FNR ": " why ": " $0; failed = 1 }
		/^# HELP / {
			if ($3 !~ /^[a-z_][a-z0-9_]*$/ || seen[$3]++) bad("name")
			if (NF < 4) bad("no help")
			helped = $3
			next
		}
		/^# TYPE / {
			if ($3 != helped || NF != 4) bad("TYPE without its HELP")
			if ($4 !~ /^(gauge|counter|histogram)$/) bad("type")
			if (($4 == "counter") != ($3 ~ /_total$/)) bad("counters end in _total, others do not")
			type = $4
			name = $3
			next
		}
		{
			rest = $0
			sub(/^[a-z_]+/, "", rest)
			base = substr($0, 1, length($0) - length(rest))
			if (type == "histogram") sub(/_(bucket|sum|count)$/, "", base)
			if (base != name) bad("sample of another name")
			if (rest ~ /^\{/) {
				sub(/^\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\}/, "", rest)
				if (rest !~ /^ /) bad("labels")
			}
			if (rest !~ /^ ([0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?)$/) bad("value")
			key = $0
			sub(/ [^ ]*$/, "", key)
			if (sample[key]++) bad("twice")
		}
		END { exit failed }' "$1" || fail "not Prometheus text"
	refute "control characters" grep -q $'[\001-\010\013-\037]' "$1"
	! command -v promtool >/dev/null || promtool check metrics <"$1" || fail "promtool does not take it"
}

sample() { awk -v start="$1" 'index($0, start) == 1 { print $NF }' "$T/out"; } # START-OF-LINE

expect_exit 0 hydroot status --metrics
check_format "$T/out"
assert_equal "attachments" 0 "$(sample hydroot_attachments\ )"

leave a cached
leave b resident
expect_exit 0 hydroot status --metrics
check_format "$T/out"
assert_equal "attachments" 2 "$(sample 'hydroot_attachments ')"
assert_equal "state of a" 1 "$(sample 'hydroot_state{name="a",state="cached"}')"
assert_equal "state of b" 0 "$(sample 'hydroot_state{name="b",state="cached"}')"
assert_equal "large numbers are exact" 4503599627370497 "$(sample 'hydroot_wire_bytes_total{name="a"}')"
assert_equal "fill" 3 "$(sample 'hydroot_fetched_bytes_total{name="b",class="fill"}')"
assert_equal "ahead" 9 "$(sample 'hydroot_fetched_bytes_total{name="b",class="ahead"}')"
# shellcheck disable=SC2013 # words
for class in $(sed -n 's/^hydroot_fetched_bytes_total{name="a",class="\(.*\)"}.*/\1/p' "$T/out"); do
	assert_contains "the manual page on the class $class" "^\.Ql $class [,.]$" \
		<(sed -n '/^\.It Cm fetched_bytes_total/,/^\.It Cm wire/p' fuse-root/hydroot.8)
done
assert_equal "bucket" 6 "$(sample 'hydroot_demand_wait_seconds_bucket{name="a",le="0.000512"}')"
assert_equal "last bucket" 7 "$(sample 'hydroot_demand_wait_seconds_bucket{name="a",le="+Inf"}')"
assert_equal "count" 7 "$(sample 'hydroot_demand_wait_seconds_count{name="a"}')"
assert_equal "sum" 0.5 "$(sample 'hydroot_demand_wait_seconds_sum{name="a"}')"
assert_equal "ready" 1.25 "$(sample 'hydroot_ready_seconds{name="a"}')"
assert_equal "what is not known has no sample" '' "$(sample 'hydroot_resident_seconds{')"
assert_equal "server" 0 "$(sample 'hydroot_server_up{name="a",server="1"')"
assert_equal "no daemon" 0 "$(sample 'hydroot_daemon_up{name="a"}')"
assert "the URL is escaped" grep -qF 'url="http://h/\"a\\b\nc?"' "$T/out"

expect_exit 0 hydroot status b --metrics
check_format "$T/out"
refute "another attachment" grep -q 'name="a"' "$T/out"
expect_exit 1 hydroot status nobody --metrics

# Again and again, for who reads a pipe.
hydroot status --metrics --watch >"$T/watch" &
watching=$!
defer end_process $watching
twice() { [ "$(grep -c '^hydroot_attachments 2' "$T/watch")" -ge 2 ]; }
wait_for 10 "the metrics a second time" twice
end_process $watching

# What cannot be read does not hide the others; asked for by name it is an error.
echo '{' >"$T/run/a/status.json"
expect_exit 1 hydroot status a --metrics
hydroot status --metrics >"$T/out" 2>"$T/err"
check_format "$T/out"
assert_equal "attachments" 1 "$(sample 'hydroot_attachments ')"

# The file for the textfile collector: whole, readable, nothing beside it.
mkdir "$T/collector"
expect_exit 0 hydroot status --metrics --output="$T/collector/hydroot.prom"
check_format "$T/collector/hydroot.prom"
assert_equal "mode" 644 "$(stat -c %a "$T/collector/hydroot.prom")"
assert_equal "files" hydroot.prom "$(ls "$T/collector")"
inode=$(stat -c %i "$T/collector/hydroot.prom")
exec 3<"$T/collector/hydroot.prom"
expect_exit 0 hydroot status --metrics --output="$T/collector/hydroot.prom"
refute "it was written over in place" test "$inode" = "$(stat -c %i "$T/collector/hydroot.prom")"
expect_exit 1 hydroot status --metrics --output="$T/nowhere/hydroot.prom"
expect_exit 1 hydroot status nobody --metrics --output="$T/collector/hydroot.prom"
assert_equal "files after failures" hydroot.prom "$(ls "$T/collector")"
