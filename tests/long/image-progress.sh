#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Work longer than a second has a bar on a terminal and none elsewhere; a message begins on a line of its
# own, and nothing of the bar stays.
. "$(dirname "$0")/../lib.sh"
requires script mke2fs

seq 1 1500000 >"$T/fs"
# on_terminal COMMAND: what it writes to one, in $T/said, with a line end for each redrawing
on_terminal() { script -qec "$1" /dev/null </dev/null >"$T/raw" 2>&1 || true; tr '\r' '\n' <"$T/raw" >"$T/said"; }
shows() # WHAT COMMAND
{
	on_terminal "$2"
	assert_contains "$1: shown" "$3" "$T/said"
	assert_equal "$1: what is left of the line" '' "$(tail -n 1 "$T/said" | sed 's/^\x1b\[K//')"
}

build="hydroot-image build --level=19 --jobs=1"
shows build "$build '$T/fs' '$T/x.hri'" '^.\[Kbuild \[#* *\] +[0-9]+%  .*/s'
$build "$T/fs" "$T/x.hri" 2>"$T/err"
refute 'a bar in a file' grep -q $'\r\|\x1b' "$T/err"

# An error while it is shown: the last chunk is damaged, and verify is held up until it is time for the bar.
head -c 64M /dev/urandom >"$T/big"
hydroot-image build --level=1 "$T/big" "$T/big.hri" 2>/dev/null
printf XXXX | dd of="$T/big.hri" bs=1 conv=notrunc status=none seek=$(($(stat -c %s "$T/big.hri") - 9000))
on_terminal "hydroot-image verify --jobs=1 '$T/big.hri' & sleep 0.03; kill -STOP \$!; sleep 1.2; kill -CONT \$!; wait"
if grep -q 'verify \[' "$T/said"; then
	assert_contains 'the message is alone on its line' $'^\x1b\\[Khydroot-image: .*big.hri: chunk' "$T/said"
else
	echo "verify was done before it could be held up: not looked at"
fi

# What other programs do for us: a line with the time.
mkdir "$T/tree"
for i in $(seq 3000); do : >"$T/tree/$i"; done
ln "$T/big" "$T/tree/big"
on_terminal "hydroot-image build --level=1 '$T/tree' '$T/y.hri'"
if grep -q 'mke2fs' "$T/said"; then
	assert_contains 'mke2fs' '^.\[Kmke2fs, [0-9]+ s' "$T/said"
else
	echo "mke2fs took no second here: not looked at"
fi
