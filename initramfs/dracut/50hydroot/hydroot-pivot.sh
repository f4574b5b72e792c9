#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# hydroot-pivot.sh - pre-pivot hook: hooks of the admin, as in the other initramfs systems

for hydroot_hook in /lib/hydroot/hooks/*; do
	# shellcheck disable=SC1090,SC2034 # whatever was given
	[ ! -e "$hydroot_hook" ] || stage=pre-switch . "$hydroot_hook"
done
