# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# proxy.sh - a server that answers wrong on demand; sourced after lib.sh
#
# tests/faultproxy.c stands between an nginx and the daemon; `faultproxy --help` lists its faults.

declare -A proxy_port=() proxy_pid=() proxy_reads=()

# start_faultproxy NAME NGINX [OPTION...]: before the nginx of that name.  Started again under the
# same name it listens on the same port.
start_faultproxy()
{
	local name=$1 server=$2
	shift 2
	# shellcheck disable=SC2154 # from lib.sh
	faultproxy --to="127.0.0.1:${nginx_port[$server]}" --listen="${proxy_port[$name]:-0}" \
		--log="$(proxy_log "$name")" "$@" </dev/null >"$T/proxy-$name.out" 2>&1 &
	proxy_pid[$name]=$!
	proxy_reads[$name]=0
	evidence+=("$T/proxy-$name.out" "$(proxy_log "$name")")
	defer end_process "${proxy_pid[$name]}"
	wait_for 10 "faultproxy $name" grep -q listening "$T/proxy-$name.out"
	proxy_port[$name]=$(sed -n 's/.*listening on [^:]*:\([0-9]*\),.*/\1/p' "$T/proxy-$name.out")
}

stop_faultproxy() # NAME: now, connections are cut
{
	end_process "${proxy_pid[$1]}"
	wait "${proxy_pid[$1]}" 2>/dev/null || true
}

# One line a request: number "fault" path range bytes-of-body.
proxy_log() { echo "$T/proxy-$1.log"; } # NAME
proxy_url() { echo "http://127.0.0.1:${proxy_port[$1]}/${2-}"; } # NAME [PATH]

# start_scripted_proxy NAME NGINX [OPTION...]: with rules that proxy_rules changes; none at first
start_scripted_proxy()
{
	: >"$T/proxy-$1.rules"
	start_faultproxy "$1" "$2" --script="$T/proxy-$1.rules" "${@:3}"
}

# proxy_rules NAME RULE...: these from now on, and requests are counted from 1
proxy_rules()
{
	local name=$1
	shift
	printf '%s\n' "$@" >"$T/proxy-$name.rules"
	kill -HUP "${proxy_pid[$name]}"
	proxy_reads[$name]=$((proxy_reads[$name] + 1))
	wait_for 10 "faultproxy $name to read its rules" proxy_has_read "$name"
}

proxy_has_read() # NAME
{
	[ "$(grep -c 'faultproxy: read' "$T/proxy-$1.out")" -ge "${proxy_reads[$1]}" ] && return
	! grep 'not understood' "$T/proxy-$1.out" >&2 || exit 1
	return 1
}

# How many answers had a fault whose words match.
proxy_faults() # NAME PATTERN
{
	grep -cE "^[0-9]+ \"($2)" "$(proxy_log "$1")" || true
}
