#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
# The same as tests/boot/hot-pack.sh, and over a line of 25 Mbit/s and 50 ms.

SLOW_LINE=1 exec "$(dirname "$0")/../boot/hot-pack.sh"
