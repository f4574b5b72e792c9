/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input_dir.c - a directory: its size, and the mkfs that makes a filesystem of it
 */
#include "imgfmt/tool/mkfs.h"

#include <errno.h>
#include <ftw.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "imgfmt/tool/output.h"
#include "imgfmt/tool/tool.h"

#define BLOCK_BYTES 4096u
/* What an inode of 256 bytes has left for attributes, of which each takes 16 bytes more. */
#define INODE_XATTR_BYTES 88u
#define XATTR_ENTRY_BYTES 16u

static const struct mkfs {
	const char *name;
	int (*make)(const char *tree, const struct mkfs_tree *size, int fd);
} mkfss[] = {
	{"ext4", mkfs_ext4},
	{"squashfs", mkfs_squashfs},
	{"erofs", mkfs_erofs},
	{"xfs", mkfs_xfs},
};

static const struct mkfs *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(mkfss); i++)
		if (strcmp(mkfss[i].name, name) == 0)
			return &mkfss[i];
	return NULL;
}

bool mkfs_is_known(const char *filesystem)
{
	return find(filesystem) != NULL;
}

/* nftw has no argument to hand on. */
static struct mkfs_tree counted;

/* Attributes that do not fit into the inode take a block, as signatures of IMA do. */
static bool has_large_xattrs(const char *path)
{
	static char names[XATTR_LIST_MAX];
	ssize_t n = llistxattr(path, names, sizeof names);
	uint64_t n_bytes = 0;

	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		ssize_t value = lgetxattr(path, name, NULL, 0);

		n_bytes += XATTR_ENTRY_BYTES + div_round_up(strlen(name), 4) * 4;
		if (value > 0)
			n_bytes += div_round_up((uint64_t)value, 4) * 4;
	}
	return n_bytes > INODE_XATTR_BYTES;
}

static int count_entry(const char *path, const struct stat *st, int type,
		       struct FTW *ftw _unused_)
{
	if (type == FTW_NS || type == FTW_DNR)
		return -1;
	counted.n_inodes++;
	/* By size, not by blocks in use: those depend on the filesystem that holds the
	 * tree.  A directory's size does too; half a block an entry is more than ext4
	 * needs. */
	if (S_ISREG(st->st_mode))
		counted.n_blocks += div_round_up((uint64_t)st->st_size, BLOCK_BYTES);
	if (S_ISDIR(st->st_mode))
		counted.n_blocks += 2;
	if (S_ISLNK(st->st_mode))
		counted.n_blocks++;
	if (has_large_xattrs(path))
		counted.n_blocks++;
	return 0;
}

static int count_tree(const char *name, const char *tree, struct mkfs_tree *ret)
{
	counted = (struct mkfs_tree){0, 0};
	errno = 0;
	if (nftw(tree, count_entry, 64, FTW_PHYS) != 0)
		return tool_fail_errno(name, "cannot read the whole tree");
	*ret = counted;
	return EXIT_DONE;
}

int mkfs_input(struct input *in, const char *tree, const struct input_options *o)
{
	const struct mkfs *mkfs = find(o->filesystem ? o->filesystem : "ext4");
	cleanup_fd int fd = output_scratch(o->output_path);
	struct mkfs_tree size = {0, 0};
	int r;

	if (fd < 0)
		return tool_fail_errno(o->output_path, "cannot create a file beside it");
	r = count_tree(in->name, tree, &size);
	if (r == EXIT_DONE)
		r = mkfs->make(tree, &size, fd);
	if (r == EXIT_DONE)
		r = input_replace(in, steal_fd(&fd));
	if (r == EXIT_DONE)
		in->tree_path = tree;
	return r;
}

int input_open_dir(const char *path, const struct input_options *o, struct input *ret)
{
	struct input in = INPUT_NONE;
	int r;

	in.name = path;
	if (geteuid() != 0)
		tool_warn(path,
			  "not run as root: files have the owners that they have "
			  "here, %u:%u for those of your own; run this as root or "
			  "under fakeroot for others",
			  (unsigned)geteuid(), (unsigned)getegid());
	r = mkfs_input(&in, path, o);
	if (r == EXIT_DONE)
		*ret = in;
	else
		input_close(&in);
	return r;
}
