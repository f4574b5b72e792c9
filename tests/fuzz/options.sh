#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# No command line, configuration or argument does harm.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz options -close_fd_mask=3
