#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# HEAD and PACK HEAD, whatever they say, are refused or right in themselves.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz head
