/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs_squashfs.c - mksquashfs makes a squashfs of a tree
 *
 * Compressed with zstd: a squashfs is chosen for its size, and the store, zram, gains
 * nothing on what is left.  mksquashfs sorts, and gives the same bytes whatever the
 * number of its threads; the time of making is the only thing to pin down.  It notes
 * which files have holes, so holes are a part of the tree.
 */
#include "imgfmt/tool/mkfs.h"

#include "imgfmt/tool/child.h"

int mkfs_squashfs(const char *tree, const struct mkfs_tree *size _unused_, int fd)
{
	char path[CHILD_PATH_BYTES];
	/* It pads to 4096 unless told otherwise. */
	const char *argv[] = {"mksquashfs", tree,	    path,      "-noappend",
			      "-comp",	    "zstd",	    "-b",      "128K",
			      "-mkfs-time", MKFS_TIME,	    "-xattrs", "-no-progress",
			      "-quiet",	    "-no-recovery", NULL};
	static const char *const env[] = {"SOURCE_DATE_EPOCH", NULL};
	const struct child child = {.subject = tree,
				    .package = "squashfs-tools",
				    .argv = argv,
				    .env = env,
				    .fds = {fd}};

	child_path(fd, path);
	return child_run(&child);
}
