#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# chunks.sh - the chunks of a hydroot image, as the zstd seek table at its end tells them
#
#	tests/chunks.sh IMAGE
#
# One line per chunk: number, offset in the image file, compressed bytes, raw bytes.  Independent of
# imgfmt/: only the standard table is read; skippable frames have a raw size of 0 there.

set -euo pipefail
frames=$(tail -c 9 "$1" | od -An -tu4 -N4 | tr -d ' ')
tail -c $((9 + 8 * frames)) "$1" | head -c $((8 * frames)) | od -An -v -tu4 -w8 |
	awk '$2 > 0 { print chunk++, at + 0, $1, $2 } { at += $1 }'
