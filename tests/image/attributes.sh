#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# attributes.sh - lists what files of the test image have beside their content
#
# Run in the tree when the image is made and in the guest when the root is resident: types, modes, owners and
# targets of what is unusual, then attributes, capabilities, ACLs and labels, in a fixed order.

cd / || exit 1
export LC_ALL=C
find /etc /usr/bin /usr/sbin /usr/lib /usr/local /var -xdev \
	\( -perm /7000 -o -type l -o ! -user root -o ! -group root -o -path '*/attributes/*' \) \
	-printf '%p %y %m %U:%G %l\n' | grep -Ev '^/var/(log|lib|tmp|cache)' | sort
getfattr --absolute-names -R -h -d -m - /etc /usr/bin /usr/sbin /usr/local 2>/dev/null |
	awk '/^# file: / { file = substr($0, 9); next } NF { print file, $0 }' | sort
