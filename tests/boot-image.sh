#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# The images of the boot tests can be made; made here, so that no boot test pays for it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
requires root mmdebstrap qemu-system-x86_64 hydrootd
tests/image.sh all
