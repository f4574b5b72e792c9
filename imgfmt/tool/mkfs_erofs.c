/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs_erofs.c - mkfs.erofs makes an erofs of a tree
 *
 * Not compressed: the image's own chunks are, with a better compressor than the lz4 of
 * erofs, and on the node zram does it again.  So a read needs one page and no
 * decompression of its neighbours.
 */
#include "imgfmt/tool/mkfs.h"

#include "imgfmt/tool/child.h"

/*
 * -T would set the time of every file.  This sets the time of making, and that of the
 * files that are newer; so it is the year 2100.
 */
#define FAR_TIME "4102444800"

/*
 * Blocks are as large as the build host's pages, or always 4096 in old versions, which
 * do not know -b.
 */
static bool needs_block_option(void)
{
	return sysconf(_SC_PAGESIZE) != 4096;
}

int mkfs_erofs(const char *tree, const struct mkfs_tree *size _unused_, int fd)
{
	char path[CHILD_PATH_BYTES];
	const char *argv[] = {"mkfs.erofs", "--quiet", "--preserve-mtime",
			      "-U",	    MKFS_UUID, path,
			      tree,	    NULL,      NULL};
	static const char *const env[] = {"SOURCE_DATE_EPOCH=" FAR_TIME, NULL};
	const struct child child = {.subject = tree,
				    .package = "erofs-utils",
				    .argv = argv,
				    .env = env,
				    .fds = {fd}};

	child_path(fd, path);
	if (needs_block_option()) {
		argv[5] = "-b4096";
		argv[6] = path;
		argv[7] = tree;
	}
	return child_run(&child);
}
