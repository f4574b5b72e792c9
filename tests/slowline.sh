# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# slowline.sh - a line with a rate and a delay between a guest and nginx; sourced after qemu.sh
#
# The rate is that of a network namespace with tc tbf, where nginx listens; the delay is made by netem in the
# guest's initramfs, because the host may have none.

slow_ns=hydroot-line-$$
slow_dev=hyd$$
slow_net=192.168.$((200 + $$ % 50))

slow_line() # The namespace, gone when the test ends
{
	ip netns add "$slow_ns"
	defer ip netns delete "$slow_ns"
	ip link add "$slow_dev" type veth peer name eth0 netns "$slow_ns"
	ip address add "$slow_net.1/30" dev "$slow_dev" && ip link set "$slow_dev" up
	ip -n "$slow_ns" address add "$slow_net.2/30" dev eth0 && ip -n "$slow_ns" link set eth0 up
}

slow_rate() # RATE, in tc's words
{
	ip netns exec "$slow_ns" tc qdisc replace dev eth0 root tbf rate "$1" burst 256kb latency 50ms
}

# start_slow_nginx NAME FOLDER PORT: at http://$slow_net.2:PORT/
start_slow_nginx()
{
	NGINX_PREFIX="ip netns exec $slow_ns" NGINX_LISTEN=$slow_net.2 start_nginx "$1" "$2" "$3"
}

# delayed_initramfs MS OUTPUT [OPTION...]: tc comes along with its libraries
delayed_initramfs()
{
	local ms=$1 output=$2 file add=() kernel tree=$IMAGES/base/tree
	shift 2
	kernel=$(cat "$IMAGES/base/kernel")
	cat >"$T/delay-$ms.hook" <<-END
		if [ "\$stage" = pre-attach ]; then
			insmod /lib/hydroot/sch_netem.ko
			# Not the tc of busybox.
			/usr/sbin/tc qdisc add dev eth0 root netem delay ${ms}ms limit 10000 ||
				hr_fail "tc: no delay"
		fi
	END
	for file in $(ldd "$(command -v tc)" | grep -o '/[^ ]*'); do
		add+=(--add-file "$file:/usr/lib/x86_64-linux-gnu/${file##*/}")
	done
	add+=(--add-file "$(command -v tc):/usr/sbin/tc")
	add+=(--add-file "$(find "$tree/lib/modules/$kernel" -name sch_netem.ko):/lib/hydroot/sch_netem.ko")
	add+=(--hook "$T/delay-$ms.hook")
	[ "$ms" != 0 ] || add=()
	initramfs/standalone/hydroot-mkinitramfs --kernel "$kernel" --root "$tree" --drivers virtio \
		--daemon "$BUILD/hydrootd" "${add[@]}" "$@" --output "$output" >/dev/null
}
