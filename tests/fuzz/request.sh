#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# No packet on the control socket does harm.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz request
