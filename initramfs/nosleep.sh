#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# nosleep.sh - refuses to suspend or hibernate, saying why, while the root comes over the network
#
# Run in the root before systemd's sleep services, from /run/hydroot/.scripts: the network does not
# come back with its addresses, and the root could not be read any more.

[ ! -e "${hr_run:-/run}/hydroot/root/resident" ] || exit 0
text='hydroot: sleep is refused: the root still comes over the network, which sleep would end'
text="$text (hydroot status; hydroot-resident.target)"
echo "$text" >&2
{ echo "$text" >"${hr_console:-/dev/console}"; } 2>/dev/null
if command -v wall >/dev/null; then
	wall "$text" 2>/dev/null
fi
exit 1
