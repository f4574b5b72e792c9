#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# The seek table is what the zstd seekable format says, for any lengths.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz seektable
