#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot report: drawings that stand for themselves, well-formed whatever the texts hold, of a boot and
# of hours; a report that is none is refused
. "$(dirname "$0")/../lib.sh"
requires jq xmllint
export HYDROOT_RUN_DIR=$T/run

# A report of $2 buckets of $3 seconds; every bucket fetched 1 MiB, a tenth waited, some had no server.
leave() # NAME BUCKETS SECONDS
{
	mkdir -p "$T/run/$1"
	jq -n --argjson n "$2" --argjson s "$3" 'def column(f): [range($n) | f];
		{schema: 1, clock: "boot", status: {schema: 1, name: "n", mode: "hybrid<&>", state: "resident",
			image: {url: "http://h/?\"<>&\u0007]]>", bytes: 1073741824, chunks: 2048},
			resident: {chunks: 2048}, fetched: {wire_bytes: 5, requests: 3},
			demand: {wait_ms_p50: 1.5, wait_ms_p99: 80, wait_seconds: {count: 12}},
			warnings: ["a < b"], servers: [{url: "http://h/&", state: "ok", errors: 1, last_error: "<x>"}],
			seconds: {ready: 9.5, resident: (8 + $n * $s)}, handover: {done: true, method: "dm"}},
		timeline: {start_seconds: 8, seconds: ($n * $s), bucket_seconds: $s, strips: 64,
			demand_bytes: column(if . % 10 == 0 then 65536 else 0 end), hot_bytes: column(if . == 0 then 500000 else 0 end),
			fill_bytes: column(1048576), wire_bytes: column(1200000), requests: column(2),
			waited: column(if . % 10 == 0 then 3 else 0 end), waiting_max: column(. % 4), wait_ms_max: column(. * 3.5),
			states: column(if . % 50 > 45 then "filling+stalled" elif . % 50 > 40 then "paused" else "filling" end),
			resident: column("ff80010000" * 12 + "ffffffff"), wanted: column(if . % 10 == 0 then "8000000000000001" else "0000000000000000" end)
		}}' >"$T/run/$1/report"
}

well_formed() # FILE
{
	xmllint --nonet --noout "$1" >"$T/lint" 2>&1 || { cat "$T/lint"; fail "$1 is not well-formed"; }
	refute "$1 loads something" grep -qE '(src|href)=|@import|url\((https?:|//)|<script' "$1"
	refute "$1 has a number that is none" grep -qE '[" ,MhvHV](-?nan|-?inf)\b' "$1"
}

leave boot 240 0.125
expect_exit 0 hydroot report boot --svg --output="$T/boot.svg"
well_formed "$T/boot.svg"
assert_contains "title" '<title id="hydroot-title">n: what was fetched' "$T/boot.svg"
assert_contains "description" 'Ready after 9.5 s, resident after 38.0 s, handed over to the kernel by dm.' "$T/boot.svg"
assert_contains "axis" 'seconds since the kernel' "$T/boot.svg"
assert_contains "dark" 'prefers-color-scheme:dark' "$T/boot.svg"
assert_equal "columns" 240 "$(grep -c 'class="hit"' "$T/boot.svg")"
assert_contains "rate" '15 MiB/s' "$T/boot.svg"

expect_exit 0 hydroot report boot --html --output="$T/boot.html"
well_formed "$T/boot.html"
assert_contains "the server" '<td>http://h/&amp;</td><td>ok</td><td>1</td><td>&lt;x&gt;</td>' "$T/boot.html"
assert_contains "the warning" '<li>a &lt; b</li>' "$T/boot.html"
assert_contains "the numbers" '<tr><td>8.000</td><td>65536</td><td>500000</td>' "$T/boot.html"

leave hours 479 64
expect_exit 0 hydroot report hours --svg --output="$T/hours.svg"
well_formed "$T/hours.svg"
assert_contains "axis" 'hours:minutes since' "$T/hours.svg"
assert_contains "hour" '>8:00<' "$T/hours.svg"
assert_contains "hatch" 'no server was usable' "$T/hours.svg"

# The last column is as long as it lasted: its rate is not less for that.
leave short 2 10
jq '.timeline.seconds = 15' "$T/run/short/report" >"$T/short" && cp "$T/short" "$T/run/short/report"
expect_exit 0 hydroot report short --html
well_formed "$T/out"
assert_contains "last column" '>18 s to 23 s:' "$T/out"

# Nothing recorded; one bucket; columns that are missing; values that are no numbers.
for edit in '.timeline |= map_values(if type == "array" then [] else . end)' \
	'.timeline |= map_values(if type == "array" then .[:1] else . end) | .timeline.seconds = 0' \
	'del(.timeline.resident, .timeline.states, .timeline.wanted, .status.image, .status.demand)' \
	'.timeline.fill_bytes = ["x", -1, 1e300] | .timeline.wire_bytes[0] = 1e17 | .timeline.resident[0] = "zz"'; do
	jq "$edit" "$T/run/boot/report" >"$T/run/short/report"
	for form in svg html; do
		expect_exit 0 hydroot report short --$form
		well_formed "$T/out"
	done
done

for edit in '.timeline.bucket_seconds = 0' '.timeline.bucket_seconds = 1e300' '.timeline.seconds = "x"' \
	'del(.status)' '.timeline = 1' '.timeline.wire_bytes = [range(5000)]'; do
	jq "$edit" "$T/run/boot/report" >"$T/run/short/report"
	expect_exit 1 hydroot report short --svg
	assert_contains "message" '^hydroot: short: report: cannot be read' "$T/out"
done
echo '{' >"$T/run/short/report"
expect_exit 1 hydroot report short --html --output="$T/none.html"
refute "a file without a report" test -e "$T/none.html"
