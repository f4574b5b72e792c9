#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# No page table leads outside its image.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz pagetable
