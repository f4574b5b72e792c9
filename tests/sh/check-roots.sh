#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-check says of each fixture kernel which modes and stores work, what is missing, and what
# to enable
. "$(dirname "$0")/../lib.sh"
requires jq

roots=tests/fixtures/roots

works() # ANSWER...: in order hybrid full stream, dm loop, zram memory disk
{
	assert_equal "what works with $kernel" "$*" \
		"$(sed -nE 's/^(hybrid|full|stream|handover [a-z]+|store [a-z]+) +//p' "$T/out" |
			sed 's/^does not work.*/no/; s/^works.*/yes/' | tr '\n' ' ' | sed 's/ $//')"
}

# does MODE STORE yes|no
does()
{
	local code=0
	[ "$3" = yes ] || code=1
	expect_exit "$code" hydroot-check --root "$kernel" --mode="$1" --store="$2"
}

lines() { grep -cE '^[a-z_0-9-]+: ' "$T/out" || true; }

# The same answers by --json, and as many misses of each kind as there are lines.
check_json() # CODE
{
	local text release
	release=$(sed -n 's/^kernel //p' "$T/out")
	text=$(sed -nE 's/^(hybrid|full|stream|handover [a-z]+|store [a-z]+) +//p' "$T/out" |
		sed 's/^does not work.*/false/; s/^works.*/true/; s/^no$/false/; s/^yes$/true/' | xargs)
	expect_exit "$1" hydroot-check --root "$kernel" --json
	assert_equal "schema of $kernel" 1 "$(jq .schema "$T/out")"
	assert_equal "release of $kernel" "$release" "$(jq -r .kernel "$T/out")"
	assert_equal "JSON of $kernel" "$text" "$(jq -c '[.modes.hybrid, .modes.full, .modes.stream,
		.handover.dm, .handover.loop, .stores.zram, .stores.memory, .stores.disk][]' "$T/out" | xargs)"
	assert_equal "types in the JSON of $kernel" true "$(jq '(.missing | type == "array") and
		all(.missing[]; (.subject | type == "string") and (.required | type == "boolean")) and
		all(.modes_by_store[][]; type == "boolean") and all(.enable[]; type == "string")' "$T/out")"
}

check() # CODE FOLDER: of the fixtures, or a path
{
	kernel=$roots/$2
	[ -d "$kernel" ] || kernel=$2
	expect_exit "$1" hydroot-check --root "$kernel"
	check_json "$1"
	expect_exit "$1" hydroot-check --root "$kernel"
}

check 0 6.1-debian
works yes yes yes yes yes yes yes yes
assert_equal "misses of 6.1-debian" 0 "$(lines)"

check 0 6.12-built-in
works yes yes yes yes yes yes yes yes
assert_equal "misses of 6.12-built-in" 0 "$(lines)"

check 0 6.18-no-dm
works yes yes yes no yes yes yes yes
assert_contains "dm" '^dm_mod: CONFIG_BLK_DEV_DM is not set: .*: build the kernel' "$T/out"
assert_contains "loop's depth" '^loop-depth: set too low: .*hw_queue_depth=1024' "$T/out"
assert_contains "what to enable" '^enable: CONFIG_BLK_DEV_DM=m$' "$T/out"
assert_equal "misses of 6.18-no-dm" 3 "$(lines)"

check 1 6.6-no-fuse
works no yes no no no yes yes yes
does full zram yes
does full disk yes
does stream disk no
check 1 6.6-no-fuse
assert_contains "fuse" '^fuse: CONFIG_FUSE_FS=m, but not below .*or use mode=full$' "$T/out"
assert_contains "xfs" '^xfs: .*not required, but wanted: images with xfs' "$T/out"

# What is configured but not installed is not to be enabled.
assert_contains "what to enable" '^enable: CONFIG_XFS_FS=m$' "$T/out"

# zstd of an initramfs is a matter of the configuration, whatever the kernel's version.
cp -r "$roots/6.1-debian" "$T/no-rd-zstd"
sed -i '/RD_ZSTD/d' "$T"/no-rd-zstd/boot/config-*
expect_exit 0 hydroot-check --root "$T/no-rd-zstd"
assert_contains "zstd" '^initrd-zstd: .*not required, but wanted: .*: use hydroot-mkinitramfs --compress=gzip$' "$T/out"
assert_contains "what to enable" '^enable: CONFIG_RD_ZSTD=y$' "$T/out"
rm "$T"/no-rd-zstd/boot/config-*
expect_exit 0 hydroot-check --root "$T/no-rd-zstd"
refute "zstd is missed without a configuration" grep -q initrd-zstd "$T/out"

check 1 5.4-old
works no no no no no yes yes yes
assert_contains "close_range" '^close-range: .*5\.9' "$T/out"
assert_contains "LOOP_CONFIGURE" '^loop-configure: .*5\.9' "$T/out"

# Debian's newer kernel as it is installed, of which no configuration tells.
check 0 6.12-debian
works yes yes yes yes yes yes yes yes
assert_contains "unknown" '^unknown: .*aio.*: no boot/config-6\.12\.117' "$T/out"
assert_equal "misses of 6.12-debian" 1 "$(lines)"

# Without zram the other two stores are left.
check 1 6.1-no-zram
works no no no no no no yes yes
assert_contains "the way out" '^hybrid +does not work, but with store=memory or disk$' "$T/out"
assert_contains "the way out of full" '^full +does not work, but with store=memory or disk$' "$T/out"
assert_contains "zram" '^zram: CONFIG_ZRAM is not set: .*\(store zram\): ' "$T/out"
assert_contains "what to enable" '^enable: CONFIG_ZRAM=m$' "$T/out"
does hybrid memory yes
does hybrid disk yes
does full memory yes
does full disk yes
does stream zram no

# Full mode needs loop for all but zram, and for a disk FUSE or, instead of the disk, zram.
without() # FOLDER MODULE...: Debian's kernel without some modules, as $T/FOLDER; becomes $kernel
{
	local name
	kernel=$T/$1
	cp -r "$roots/6.1-debian" "$kernel"
	for name in "${@:2}"; do sed -i "\\|/$name\\.ko:|d" "$kernel"/lib/modules/*/modules.dep; done
}

without no-loop loop
check 1 "$kernel"
works no yes no no no yes yes yes
assert_contains "what full does without loop" '^full +works, but not with store=memory or disk$' "$T/out"
does full zram yes
does full memory no
does full disk no

without no-fuse-no-zram fuse zram
check 1 "$kernel"
works no no no no no no yes yes
assert_contains "the way out" '^full +does not work, but with store=memory$' "$T/out"
does full memory yes
does full disk no

without no-fuse-no-loop fuse loop
check 1 "$kernel"
assert_contains "what full does without FUSE and loop" '^full +works, but not with store=memory$' "$T/out"
does full disk yes

# Settings of a running kernel: one too high; no AIO, no seccomp.
check 1 6.16-sysctl
works no no no no no no yes no
assert_contains "time-out" '^fuse-max-timeout: set too high: .*sysctl fs\.fuse\.max_request_timeout=0$' "$T/out"
refute "a time-out of 0 is a fault" grep -q '^fuse-timeout: ' "$T/out"
assert_contains "seccomp" '^seccomp: .*not required, but wanted: ' "$T/out"
assert_contains "aio" '^aio: .*or use store=memory$' "$T/out"
assert_contains "what to enable" '^enable: CONFIG_SECCOMP_FILTER=y CONFIG_AIO=y$' "$T/out"
does stream memory yes
does full memory yes

# Of a kernel that is not there nothing is said, but that it is not there.
for answer in "" --json; do
	expect_exit 1 hydroot-check --root "$roots/6.1-debian" --kernel 6.1.0-65-cloud-amd64 $answer
	assert_contains "a wrong kernel" \
		"^hydroot-check: kernel 6.1.0-65-cloud-amd64 below $roots/6.1-debian: nothing .* --kernel and --root" "$T/out"
	assert_equal "lines about a wrong kernel" 1 "$(wc -l <"$T/out")"
	expect_exit 1 hydroot-check --root "$T/nowhere" --kernel 6.1.0 $answer
	assert_contains "a wrong root" "^hydroot-check: --root=$T/nowhere: No such file" "$T/out"
done

# One file is enough to go by.
mkdir -p "$T/one/lib/modules/6.1.0"
: >"$T/one/lib/modules/6.1.0/modules.builtin"
expect_exit 0 hydroot-check --root "$T/one" --kernel 6.1.0
assert_contains "unknown" '^unknown: .*fuse' "$T/out"
