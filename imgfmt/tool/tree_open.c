/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_open.c - looking into a filesystem by the way there is for it
 */
#include "imgfmt/tool/tree.h"

bool tree_open(const char *filesystem, int fd, uint64_t offset, uint64_t n_bytes,
	       const char *output_path, struct tree *ret)
{
	if (strncmp(filesystem, "ext", 3) == 0)
		return tree_open_ext(fd, offset, ret);
	return tree_open_mount(filesystem, fd, offset, n_bytes, ret) ||
	       (strcmp(filesystem, "squashfs") == 0 &&
		tree_open_squashfs(fd, offset, output_path, ret));
}
