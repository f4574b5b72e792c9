#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# Whatever a file holds, verify refuses it or it is an image in every byte.

. "$(dirname "$0")/../fuzzlib.sh"
fuzz verify -max_len=32768
