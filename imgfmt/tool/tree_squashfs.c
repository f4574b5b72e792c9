/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_squashfs.c - looking into a squashfs with unsquashfs: what is asked for is unpacked
 *
 * unsquashfs follows no links inside a path, so the files are named by where they can be,
 * with and without the links of a merged /usr.
 */
#include "imgfmt/tool/tree.h"

#include <fcntl.h>
#include <inttypes.h>

#include "imgfmt/tool/child.h"
#include "imgfmt/tool/temptree.h"

#define GROUP_FILES 6
#define READ_BYTES 4096

/* A few at a time: unsquashfs 4.5.1 crashes over many names that are not there. */
static const char *const groups[][GROUP_FILES + 1] = {
	{"etc/os-release", "usr/lib/os-release", "etc/machine-id", "etc/fstab"},
	{"etc/ssh/ssh_host_*", "var/lib/systemd/random-seed", "var/lib/dbus/machine-id"},
	{"var/lib/urandom/random-seed", "var/lib/seedrng/seed.*",
	 "boot/loader/random-seed"},
	{"bin/sh", "bin/bash", "bin/dash", "bin/busybox", "sbin/init"},
	{"usr/bin/sh", "usr/bin/bash", "usr/bin/dash", "usr/bin/busybox", "usr/bin/env"},
	{"usr/sbin/init", "usr/lib/systemd/systemd", "lib/systemd/systemd"},
	{"lib/ld*.so*", "lib64/ld*.so*", "usr/lib/ld*.so*", "usr/lib64/ld*.so*"},
	{"lib/modules/*/modules.*", "usr/lib/modules/*/modules.*"},
};

/* What it thinks of names that are not there is nothing: what is unpacked counts. */
static bool unpack(int fd, uint64_t offset, const char *to, const char *const *files)
{
	char image[CHILD_PATH_BYTES], at[24], said[READ_BYTES];
	const char *argv[11 + GROUP_FILES + 1] = {
		"unsquashfs", "-quiet", "-no-progress", "-no-xattrs", "-force",
		"-dest",      to,	"-offset",	at,	      image};
	const struct child child = {.subject = "unsquashfs",
				    .package = "squashfs-tools",
				    .argv = argv,
				    .fds = {fd, 0},
				    .quiet = true};
	cleanup_fd int out_fd = -1;
	size_t n = 10;
	pid_t pid;

	for (; *files; files++)
		argv[n++] = *files;
	child_path(fd, image);
	snprintf(at, sizeof at, "%" PRIu64, offset);
	if (child_start(&child, &out_fd, &pid) != 0)
		return false;
	while (read(out_fd, said, sizeof said) > 0)
		;
	child_abandon(pid);
	return true;
}

static bool unpack_all(int fd, uint64_t offset, const char *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (!unpack(fd, offset, to, groups[i]))
			return false;
	return true;
}

bool tree_open_squashfs(int fd, uint64_t offset, const char *output_path,
			struct tree *ret)
{
	struct temptree *temp = malloc(sizeof *temp);

	if (!temp)
		return false;
	*temp = (struct temptree)TEMPTREE_NONE;
	if (child_is_there("unsquashfs") && temptree_new(output_path, temp) == 0 &&
	    unpack_all(fd, offset, temp->root) && tree_open_dir(temp->root, ret)) {
		ret->temp = temp;
		return true;
	}
	temptree_free(temp);
	free(temp);
	return false;
}
