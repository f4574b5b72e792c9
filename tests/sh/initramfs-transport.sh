#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What is mounted for which URL, and with which options: names, ports, addresses of IPv6, a file in the server's root;
# nothing for what hydrootd fetches by itself
. "$(dirname "$0")/../lib.sh"
requires busybox dash

mkdir -p "$T/run" "$T/hooks"
printf 'echo "hook $*" >%s\n' "$T/hook" >"$T/hooks/ownfs"
sed "s|/run/hydroot|$T/run|g" initramfs/transport.sh >"$T/transport.sh"
printf '%s\n' '10.0.2.2 server' 'fd00::2 server6' >"$T/hosts"

mounts() # URL...: what would be mounted, one a line; "said ..." goes to the console
{
	for shell in 'busybox sh' dash; do
		rm -f "$T/transports"
		# shellcheck disable=SC2086 # busybox sh
		$shell -c ". initramfs/lib.sh; . initramfs/ladder.sh; . $T/transport.sh
			hr_hosts=$T/hosts hr_transports=$T/transports hr_transport_dir=$T/hooks hr_said=$T/said
			modprobe() { :; }; hr_say() { echo \"said \$*\"; }; hr_warn() { echo \"warned \$*\"; }
			hr_mount() { echo \"\$3 \$2\"; hr_error=refused; [ -n \"\${good:-}\" ]; }
			$settings; hr_mount_transports \"\$@\"" sh "$@" >"$T/out.${shell##* }" 2>&1
	done
	cmp "$T/out.sh" "$T/out.dash" || fail "dash differs: $(diff "$T/out.sh" "$T/out.dash")"
	cat "$T/out.dash"
}
common=ro,nosuid,nodev,soft,timeo=100,retrans=2
settings=good=1
first() { mounts "$1" | head -n 1; }

assert_equal "by name" "server:/e/f $common,proto=tcp,vers=4.2,addr=10.0.2.2" "$(first nfs://server/e/f/i.hri)"
assert_equal "in the root" "server:/ $common,proto=tcp,vers=4.2,addr=10.0.2.2" "$(first nfs://server/i.hri)"
assert_equal "what hydrootd reads" "nfs://server/i.hri file://$T/run/.transport/1/i.hri" "$(cat "$T/transports")"
assert_equal "with a port" "server:/e $common,proto=tcp,vers=4.2,addr=10.0.2.2,port=2050" "$(first nfs://server:2050/e/i.hri)"
assert_equal "a user" "server:/e $common,proto=tcp,vers=4.2,addr=10.0.2.2" "$(first nfs://u:p@server/e/i.hri)"
assert_equal "by address" "10.0.2.3:/e $common,proto=tcp,vers=4.2,addr=10.0.2.3,port=1" "$(first nfs://10.0.2.3:1/e/i.hri)"
assert_equal "IPv6" "[fd00::1]:/e $common,proto=tcp6,vers=4.2,addr=fd00::1" "$(first 'nfs://[fd00::1]/e/i.hri')"
assert_equal "IPv6 with a port" "[fd00::1]:/ $common,proto=tcp6,vers=4.2,addr=fd00::1,port=2050" \
	"$(first 'nfs://[fd00::1]:2050/i.hri')"
assert_equal "IPv6 by name" "server6:/e $common,proto=tcp6,vers=4.2,addr=fd00::2" "$(first nfs://server6/e/i.hri)"

settings=good=
mounts nfs://server:2050/e/i.hri >"$T/out"
assert_equal "versions" "vers=4.2 vers=4.0 vers=3" "$(grep -o 'vers=[0-9.]*' "$T/out" | xargs)"
assert_contains "NFS 3" 'vers=3,nolock,mountproto=tcp,addr=10.0.2.2,port=2050$' "$T/out"
assert_contains "the reason" '^warned transport: nfs://server:2050/e: refused$' "$T/out"
mounts nfs://server6/e/i.hri >"$T/out"
assert_contains "NFS 3 over IPv6" 'proto=tcp6,vers=3,nolock,mountproto=tcp6,addr=fd00::2$' "$T/out"
assert_equal "an unknown name" "warned transport: nfs://1.2.3.4.nowhere.invalid/e: 1.2.3.4.nowhere.invalid: no address is known by that name" \
	"$(settings='hr_ask_name_server() { :; }' mounts nfs://1.2.3.4.nowhere.invalid/e/i.hri)"

assert_equal "nothing to mount" "" \
	"$(mounts http://h/i HTTP://h/i Https://h/i file:///i FILE:///d/i /d/i '')"
assert_equal "an unknown one" "warned transport: other://h/d: no such transport: put a hook at $T/hooks/other" \
	"$(mounts other://h/d/i.hri)"
assert_equal "a hook" "said transport: ownfs://h/d: mounted" "$(mounts ownfs://h/d/i.hri)"
assert_equal "its arguments" "hook h /d $T/run/.transport/1" "$(cat "$T/hook")"
for url in HTTP://u:secret@h/i.hri http://u:secret@h/i.hri own-fs://u:secret@h/i.hri; do
	assert_equal "a password" "${url%%:*}://h/i.hri" "$(sh -c ". initramfs/ladder.sh; hr_public_url $url")"
done
