#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the package for dracut asks for: the network modules have a package of their own, but not on SUSE
. "$(dirname "$0")/../lib.sh"
requires rpmspec

asks() { rpmspec -q --requires "$@" initramfs/rpm/hydroot.spec 2>"$T/log" | sort -u; }
asks >"$T/others"
assert_contains "elsewhere" '^dracut-network$' "$T/others"
asks --define='suse_version 1500' >"$T/suse"
assert_contains "on SUSE" '^dracut >= 050$' "$T/suse"
refute "dracut-network on SUSE" grep -qx dracut-network "$T/suse"
