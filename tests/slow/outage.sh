#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# The same as tests/boot/outage.sh with an outage of five minutes: no watchdog, no hung task.

OUTAGE=${OUTAGE:-300} exec "$(dirname "$0")/../boot/outage.sh"
