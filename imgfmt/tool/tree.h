/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - contract: looking into the tree that an image is made of
 *
 * Best effort: what cannot be read is as good as not there, and nothing is printed.
 * Paths begin with / and are of the tree; links are followed inside it and never lead
 * out.
 */
#ifndef IMGFMT_TREE_H
#define IMGFMT_TREE_H

#include "imgfmt/base.h"

struct tree;

struct tree_names {
	char **list; /* without . and .. */
	size_t n;
};

struct tree_ops {
	/* The first `max` bytes of a regular file, with a NUL behind; the caller's. */
	bool (*read)(struct tree *t, const char *path, size_t max, char **ret,
		     size_t *ret_n);
	bool (*list)(struct tree *t, const char *path, struct tree_names *ret);
};

struct tree {
	const struct tree_ops *ops;
	int fd; /* of the folder, or of the image */
	uint64_t offset; /* of the filesystem in the image */
	struct temptree *temp; /* a folder that goes with it, or NULL */
};

/* A folder; tree_close closes what this opens.  False when it cannot be opened. */
bool tree_open_dir(const char *path, struct tree *ret) _must_check_;

/*
 * An ext2, ext3 or ext4 in an open file or device, which stays the caller's, through
 * debugfs of e2fsprogs.  False when there is no debugfs or it cannot read it.
 */
bool tree_open_ext(int fd, uint64_t offset, struct tree *ret) _must_check_;

/*
 * An XFS, btrfs, erofs or squashfs of n_bytes (0: to the end), through the kernel.  False without
 * root, loop device or that filesystem.  The fd stays the caller's.
 */
bool tree_open_mount(const char *filesystem, int fd, uint64_t offset, uint64_t n_bytes,
		     struct tree *ret) _must_check_;

/* A squashfs through unsquashfs: what treeinfo.c looks for is unpacked beside output_path. */
bool tree_open_squashfs(int fd, uint64_t offset, const char *output_path,
			struct tree *ret) _must_check_;

/*
 * Whichever of these serves the filesystem, by its name in META.  False when none does, also
 * for want of root or of a tool.
 */
bool tree_open(const char *filesystem, int fd, uint64_t offset, uint64_t n_bytes,
	       const char *output_path, struct tree *ret) _must_check_;

void tree_close(struct tree *t);

/* What tree_open_dir does with an open folder, which it takes. */
void tree_of_dir(int fd, struct tree *ret);

static inline bool tree_read(struct tree *t, const char *path, size_t max, char **ret,
			     size_t *ret_n)
{
	return t->ops->read(t, path, max, ret, ret_n);
}

static inline bool tree_list(struct tree *t, const char *path, struct tree_names *ret)
{
	return t->ops->list(t, path, ret);
}

/* False without memory. */
bool tree_names_add(struct tree_names *names, const char *name, size_t n) _must_check_;
void tree_names_free(struct tree_names *names);

#endif
