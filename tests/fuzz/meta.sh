#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# META is refused or the JSON that FORMAT.md describes.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz meta -max_len=70000
