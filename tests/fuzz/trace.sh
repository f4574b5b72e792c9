#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# A trace is taken in exactly its form, and refused in any other.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz trace
