#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tests of boots that start side by side agree on the accelerator: one of them asks, all get its whole answer.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/qemu.sh
. "$TOP/tests/qemu.sh"
unset HYDROOT_ACCEL
TOP=$T
mkdir "$T/build"

kvm_boots()
{
	echo asked >>"$T/asked"
	sleep 0.2
	return 1
}

for i in 1 2 3 4; do
	guest_accel >"$T/answer.$i" &
done
wait
for i in 1 2 3 4; do
	assert_equal "answer $i" tcg "$(cat "$T/answer.$i")"
done
assert_equal "times that KVM was tried" 1 "$(wc -l <"$T/asked")"

HYDROOT_ACCEL=none
(start_guest absent initrd append) >"$T/out" 2>&1 && fail "a guest starts with an accelerator that is not known"
assert "the message names it" grep -q "accelerator 'none': tcg or kvm is needed" "$T/out"
