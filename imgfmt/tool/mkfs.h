/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs.h - a filesystem from a tree, the same bytes from the same tree
 *
 * Each mkfs_<name>.c runs one mkfs.  It keeps content, names, modes, owners, times of
 * modification, extended attributes and capabilities, device nodes and hard links.
 */
#ifndef IMGFMT_MKFS_H
#define IMGFMT_MKFS_H

#include "imgfmt/tool/input.h"

/* Of every filesystem that is made here: it must not depend on the day. */
#define MKFS_UUID "6879646f-726f-8f74-8000-657874340001"
/* Not 0, which mke2fs takes for "not given". */
#define MKFS_TIME "1"

struct mkfs_tree {
	uint64_t n_blocks; /* of 4096 bytes, by size and not by use */
	uint64_t n_inodes;
};

bool mkfs_is_known(const char *filesystem);

/* From now on `in` is a filesystem made from the tree.  Prints; returns an exit code. */
int mkfs_input(struct input *in, const char *tree,
	       const struct input_options *o) _must_check_;

/* The same, into an empty file.  Print; return an exit code. */
int mkfs_ext4(const char *tree, const struct mkfs_tree *size, int fd) _must_check_;
int mkfs_squashfs(const char *tree, const struct mkfs_tree *size, int fd) _must_check_;
int mkfs_erofs(const char *tree, const struct mkfs_tree *size, int fd) _must_check_;
int mkfs_xfs(const char *tree, const struct mkfs_tree *size, int fd) _must_check_;

/*
 * mke2fs leaves times in a filesystem that are not the tree's; make them so (see
 * ext4_times.c).
 */
int ext4_settle_times(const char *name, int fd) _must_check_;

#endif
