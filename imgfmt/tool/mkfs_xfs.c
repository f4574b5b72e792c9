/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs_xfs.c - mkfs.xfs makes an XFS of a tree, if it is new enough
 *
 * The protofile that every mkfs.xfs reads knows neither extended attributes nor times nor
 * hard links, so a root made by it would lack capabilities and differ from day to day.
 * From 6.17 on -p takes a folder and keeps them, and time and seed can be given.  Older
 * ones are refused, with what to do instead.
 */
#include "imgfmt/tool/mkfs.h"

#include "imgfmt/tool/child.h"
#include "imgfmt/tool/tool.h"

#define BLOCK_BYTES 4096u
#define INODE_BYTES 512u
#define WANTED_MAJOR 6
#define WANTED_MINOR 17
/* Below 300 MiB mkfs.xfs refuses; the log has 64 MiB of it. */
#define SPARE_MIB 384u
/* What newer ones turn on by themselves and Linux 6.1 cannot mount. */
#define OLD_KERNELS_META "metadir=0,autofsck=0"
#define OLD_KERNELS_INODE "nrext64=0,exchange=0"
#define OLD_KERNELS_NAMING "parent=0"

static int check_version(const char *tree)
{
	static const char *const argv[] = {"mkfs.xfs", "-V", NULL};
	const struct child child = {.subject = tree, .package = "xfsprogs", .argv = argv};
	char text[128];
	int r = child_capture(&child, text, sizeof text), major, minor;

	if (r != EXIT_DONE)
		return r;
	if (sscanf(text, "mkfs.xfs version %d.%d", &major, &minor) != 2)
		return tool_fail(tree, "mkfs.xfs does not say its version");
	if (major > WANTED_MAJOR || (major == WANTED_MAJOR && minor >= WANTED_MINOR))
		return EXIT_DONE;
	return tool_fail(tree,
			 "mkfs.xfs %d.%d cannot fill an XFS with extended attributes, "
			 "times and hard links, %d.%d can; use --fs=ext4, or mount one "
			 "made with 'mkfs.xfs -s size=4096', copy the tree, and give "
			 "that as INPUT",
			 major, minor, WANTED_MAJOR, WANTED_MINOR);
}

static uint64_t filesystem_bytes(const struct mkfs_tree *t)
{
	uint64_t used = t->n_blocks * BLOCK_BYTES + t->n_inodes * INODE_BYTES;

	return div_round_up(used + used / 4 + ((uint64_t)SPARE_MIB << 20), 1u << 20)
	       << 20;
}

int mkfs_xfs(const char *tree, const struct mkfs_tree *size, int fd)
{
	char path[CHILD_PATH_BYTES];
	const char *argv[] = {"mkfs.xfs", "-q",
			      "-f",	  "-K",
			      "-L",	  "root",
			      "-b",	  "size=4096",
			      "-s",	  "size=4096",
			      "-m",	  "crc=1," OLD_KERNELS_META ",uuid=" MKFS_UUID,
			      "-i",	  OLD_KERNELS_INODE,
			      "-n",	  OLD_KERNELS_NAMING,
			      "-d",	  "agcount=4",
			      "-l",	  "size=64m",
			      "-p",	  tree,
			      path,	  NULL};
	static const char *const env[] = {"SOURCE_DATE_EPOCH=" MKFS_TIME,
					  "DETERMINISTIC_SEED=1", NULL};
	const struct child child = {.subject = tree,
				    .package = "xfsprogs",
				    .argv = argv,
				    .env = env,
				    .fds = {fd}};
	int r = check_version(tree);

	if (r != EXIT_DONE)
		return r;
	if (ftruncate(fd, (off_t)filesystem_bytes(size)) < 0)
		return tool_fail_errno(tree, "cannot make room for its filesystem");
	child_path(fd, path);
	return child_run(&child);
}
