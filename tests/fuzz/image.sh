#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# A hostile image, digests and all, does no harm to its reader.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz image -max_len=32768
