#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# The same as tests/sh/image-terabyte.sh with 2 GiB of data.

DATA_MIB=2048 exec "$(dirname "$0")/../sh/image-terabyte.sh"
