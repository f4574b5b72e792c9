#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-check: JSON, exit codes, and messages about its own arguments
. "$(dirname "$0")/../lib.sh"
requires jq

root=tests/fixtures/roots/6.18-no-dm

expect_exit 0 hydroot-check --root "$root" --json
assert_equal "schema" 1 "$(jq .schema "$T/out")"
assert_equal "kernel" 6.18.0-small "$(jq -r .kernel "$T/out")"
assert_equal "hybrid" true "$(jq .modes.hybrid "$T/out")"
assert_equal "dm" false "$(jq .handover.dm "$T/out")"
assert_equal "missing" "dm_mod true" "$(jq -r '.missing[0] | "\(.subject) \(.required)"' "$T/out")"

assert_equal "full in plain memory" true "$(jq .modes_by_store.full.memory "$T/out")"
assert_equal "stream on a disk" true "$(jq .modes_by_store.stream.disk "$T/out")"
assert_equal "stores" "true true true" "$(jq -r '.stores | "\(.zram) \(.memory) \(.disk)"' "$T/out")"
assert_equal "what to enable" BLK_DEV_DM=m "$(jq -r '.enable | join(" ")' "$T/out")"

# The exit status is about the mode and the store that are named.
expect_exit 0 hydroot-check --root "$root" --mode=full --store=disk
expect_exit 0 hydroot-check --root "$root" --mode=full --store=memory
expect_exit 2 hydroot-check --root "$root" --mode=zram
assert_contains "modes" '^hydroot-check: --mode=zram: wrong value: accepted: hybrid, full, stream' "$T/out"
expect_exit 2 hydroot-check --root "$root" --store=tape
assert_contains "stores" '^hydroot-check: --store=tape: wrong value: accepted: zram, memory, disk' "$T/out"

# A card at USB is one of class:net.
cp -r tests/fixtures/roots/6.1-debian "$T/usb"
sed -i '\|drivers/net/|d; $a kernel/drivers/net/usb/r8152.ko:' "$T"/usb/lib/modules/*/modules.dep
refute "the card at USB is missed" jq -e '.missing[] | select(.subject == "class:net")' <(hydroot-check --root "$T/usb" --json)
sed -i '\|drivers/net/|d' "$T"/usb/lib/modules/*/modules.dep

# None at all: it is the modules that are missing, or, if the configuration has no cards, the configuration.
card() { jq -r '.missing[] | select(.subject == "class:net") | "\(.missing): \(.remedy)"' "$T/out"; }
none="no driver of that class below lib/modules/6.1.0-56-cloud-amd64"
expect_exit 1 hydroot-check --root "$T/usb" --json
assert_equal "no card at all" "$none: install this kernel's modules, or load the one of your card" "$(card)"
assert_equal "to enable for it" "" "$(jq -r '.enable[]' "$T/out")"
expect_exit 1 hydroot-check --root "$T/usb"
assert_contains "no card at all, as text" "^class:net: $none: .*: install this kernel's modules, or load" "$T/out"
sed -i '/CONFIG_ETHERNET=/d' "$T"/usb/boot/config-*
expect_exit 1 hydroot-check --root "$T/usb" --json
assert_equal "no cards configured" "$none: build the kernel with CONFIG_ETHERNET=y, or load the one of your card" "$(card)"
assert_equal "to enable for cards" ETHERNET=y "$(jq -r '.enable[]' "$T/out")"
rm "$T"/usb/boot/config-*
expect_exit 1 hydroot-check --root "$T/usb" --json
assert_equal "no card, and no configuration" "$none: install this kernel's modules, or load the one of your card" "$(card)"

# What a transport needs is asked for by its name only.
refute "NFS is missed" jq -e '.missing[] | select(.subject | startswith("nfs"))' <(hydroot-check --root "$root" --json)
expect_exit 1 hydroot-check --root "$root" --transport=nfs --json
assert_equal "NFS is missed" "nfs true nfsv4 false nfsv3 false" "$(jq -r '.missing[] |
	select(.subject | startswith("nfs")) | "\(.subject) \(.required)"' "$T/out" | xargs)"
expect_exit 2 hydroot-check --root "$root" --transport=tape
assert_contains "transports" '^hydroot-check: --transport=tape: wrong value: accepted: nfs' "$T/out"

expect_exit 0 hydroot-check --help
assert_contains "help" '^usage: hydroot-check' "$T/out"
expect_exit 0 hydroot-check --version
assert_contains "version" '^hydroot-check [0-9]' "$T/out"

expect_exit 2 hydroot-check --no-such-option
assert_contains "option" '^hydroot-check: --no-such-option: no such option; hydroot-check --help lists them' "$T/out"
expect_exit 2 hydroot-check --mode
assert_contains "no value" '^hydroot-check: --mode: needs a value' "$T/out"
assert_equal "lines about one fault" 1 "$(wc -l <"$T/out")"
expect_exit 2 hydroot-check something
assert_contains "argument" '^hydroot-check: something: not an option; hydroot-check --help lists them' "$T/out"

# Which kernel, if none runs there and none is installed, or several are?
mkdir "$T/empty"
expect_exit 1 hydroot-check --root "$T/empty"
assert_contains "no kernel" 'give --kernel=VERSION' "$T/out"

# Modules may be below usr alone, or below a link as well.
mkdir -p "$T/usr-only/usr"
cp -r tests/fixtures/roots/6.12-debian/lib "$T/usr-only/usr/"
expect_exit 0 hydroot-check --root "$T/usr-only"
assert_contains "kernel below usr" '^kernel 6\.12\.117\+deb12-cloud-amd64$' "$T/out"
ln -s usr/lib "$T/usr-only/lib"
expect_exit 0 hydroot-check --root "$T/usr-only"
rm "$T/usr-only/lib"
mkdir -p "$T/usr-only/lib/modules/6.1.0"
expect_exit 1 hydroot-check --root "$T/usr-only"
assert_contains "two kernels" 'give --kernel=VERSION' "$T/out"

# A release is the name of a folder, which need not be UTF-8, as JSON must be.
release=$'6.1-\xff'
mkdir -p "$T/latin/lib/modules/$release"
cp tests/fixtures/roots/6.1-debian/lib/modules/*/modules.* "$T/latin/lib/modules/$release/"
expect_exit 0 hydroot-check --root "$T/latin"
expect_exit 1 hydroot-check --root "$T/latin" --json
assert_equal "a release that is not UTF-8" \
	"hydroot-check: --json: the kernel's release is not UTF-8: ask without --json" "$(cat "$T/out")"

# Lists that are not there, or not lists.
expect_exit 1 hydroot-check --root "$root" --lists "$T"
assert_contains "no lists" 'modules.list: .*--lists=DIR' "$T/out"
echo 'fuse FUSE_FS perhaps all load - reason' >"$T/modules.list"
expect_exit 1 hydroot-check --root "$root" --lists "$T"
assert_contains "bad list" 'modules.list: line 1: ' "$T/out"
