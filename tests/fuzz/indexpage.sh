#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# No index page leads outside DATA.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz indexpage -max_len=36876
