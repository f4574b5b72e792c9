#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# Building is at least as fast as zstd at the same level, extracting 1.2 times as fast as zstd -d, the file at
# most 8% larger: ratios of the same run.

exec "$(dirname "$0")/../bench-image.sh"
