#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# flip.sh - copies a hydroot image with one bit wrong, in the middle of one data chunk
#
#	tests/flip.sh IMAGE COPY
#
# Takes the first chunk behind 3/4 of the file that is more than an empty frame; prints its number.

set -euo pipefail
cd "$(dirname "$0")/.."
bytes=$(stat -c %s "$1")
read -r chunk offset < <(tests/chunks.sh "$1" | awk -v want=$((bytes * 3 / 4)) '
	$2 > want && $3 > 4096 && !found++ { print $1, int($2 + $3 / 2) }')
cp --reflink=auto "$1" "$2"
byte=$(od -An -tu1 -j "$offset" -N1 "$1" | tr -d ' ')
printf '%b' "\\x$(printf %02x $((byte ^ 16)))" |
	dd of="$2" bs=1 seek="$offset" conv=notrunc status=none
echo "$chunk"
