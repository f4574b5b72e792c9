#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# No hot pack names a block outside the image, in the image or in a side file.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz hotpack
