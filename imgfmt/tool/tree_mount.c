/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_mount.c - looking into a filesystem through the kernel: XFS, btrfs, erofs, squashfs
 *
 * Read-only, through a loop device that ends with its last user, and mounted nowhere: the
 * only way to it is our file descriptor (fsmount).  The device is read-only, so a log that
 * waits to be replayed is refused: what is there without it would be half the truth.
 */
#include "imgfmt/tool/tree.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define LOOP_TRIES 16
#define LOOP_PATH_BYTES 32

/* nouuid: one with the same may be mounted. */
static const struct {
	const char *filesystem, *flag;
} options[] = {{"xfs", "nouuid"}, {"btrfs", NULL}, {"erofs", NULL}, {"squashfs", NULL}};

static int configure_loop(int loop_fd, int fd, uint64_t offset, uint64_t n_bytes)
{
	struct loop_config config = {
		.fd = (uint32_t)fd,
		.info.lo_offset = offset,
		.info.lo_sizelimit = n_bytes,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};

	return ioctl(loop_fd, LOOP_CONFIGURE, &config);
}

/* Another process may take the free one first: then the next. */
static int open_loop(int fd, uint64_t offset, uint64_t n_bytes,
		     char ret_path[LOOP_PATH_BYTES])
{
	cleanup_fd int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	for (unsigned i = 0; control_fd >= 0 && i < LOOP_TRIES; i++) {
		int number = ioctl(control_fd, LOOP_CTL_GET_FREE), loop_fd;

		if (number < 0)
			return -1;
		snprintf(ret_path, LOOP_PATH_BYTES, "/dev/loop%d", number);
		loop_fd = open(ret_path, O_RDONLY | O_CLOEXEC);
		if (loop_fd >= 0 && configure_loop(loop_fd, fd, offset, n_bytes) == 0)
			return loop_fd;
		if (loop_fd >= 0)
			close(loop_fd);
	}
	return -1;
}

static int mount_at_no_place(const char *filesystem, const char *flag, const char *device)
{
	cleanup_fd int fs_fd = fsopen(filesystem, FSOPEN_CLOEXEC);

	if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return -1;
	if (flag && fsconfig(fs_fd, FSCONFIG_SET_FLAG, flag, NULL, 0) < 0)
		return -1;
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs_fd, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
			       MOUNT_ATTR_NOEXEC);
}

static bool find_flag(const char *filesystem, const char **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcmp(options[i].filesystem, filesystem) == 0) {
			*ret = options[i].flag;
			return true;
		}
	return false;
}

bool tree_open_mount(const char *filesystem, int fd, uint64_t offset, uint64_t n_bytes,
		     struct tree *ret)
{
	const char *flag;
	char device[LOOP_PATH_BYTES];
	cleanup_fd int loop_fd = -1;
	int dir_fd;

	if (!find_flag(filesystem, &flag) || geteuid() != 0)
		return false;
	loop_fd = open_loop(fd, offset, n_bytes, device);
	if (loop_fd < 0)
		return false;
	dir_fd = mount_at_no_place(filesystem, flag, device);
	if (dir_fd < 0)
		return false;
	tree_of_dir(dir_fd, ret);
	return true;
}
