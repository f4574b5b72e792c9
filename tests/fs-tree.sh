# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# fs-tree.sh - a tree with all that a root may have, for the tests of what is made from trees;
# sourced behind lib.sh
#
# Owners, device nodes and capabilities need root or fakeroot.

TREE_TIME='2024-02-29 12:00:00.123456789'
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else fakeroot -i "$T/fake" -s "$T/fake" "$@"; fi; }

make_tree() # FOLDER
{
	[ "$(id -u)" = 0 ] || requires fakeroot
	: >>"$T/fake"
	as_root bash -euc '
		mkdir -p "$1/etc" "$1/usr/bin" "$1/var" "$1/dev" "$1/B" "$1/b"
		cd "$1"
		seq 20000 >usr/bin/program
		chmod 4755 usr/bin/program
		ln usr/bin/program usr/bin/another
		ln -s program usr/bin/link
		echo ID=test >etc/os-release
		mknod dev/null c 1 3
		mkfifo var/fifo
		cp /bin/true usr/bin/capable
		setcap cap_net_raw+ep usr/bin/capable
		printf x | dd of=var/hole bs=1 seek=3000000 status=none
		for i in $(seq 200); do echo "$i" >"etc/file$i"; done
		chown 1000:1001 B
		chmod 2770 B
		find . -depth -exec touch -h -d "$2" {} +
	' - "$1" "$TREE_TIME"
}

copy_tree() { as_root cp -a "$1" "$2"; }	# its ctimes are of another moment

# A sanitizer's library has to be loaded first, and so has that of faketime; fakeroot's stat gets
# confused by it.
another_day() # COMMAND...
{
	if ldd "$(command -v hydroot-image)" | grep -q 'lib[at]san' || [ "$(id -u)" != 0 ]; then
		sleep 1.1
		as_root "$@"
	else
		NO_FAKE_STAT=1 as_root faketime '2031-01-01 10:00:00' "$@"
	fi
}
