/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hangfs.c - a FUSE filesystem of one file that hangs when it is told to
 *
 *	hangfs FILE DIR [FUSE-OPTION...]	DIR/image has the bytes of FILE
 *
 * While FILE.hangs exists nothing is answered, and a byte is added to it for each who begins to
 * wait.  Nothing is cached, so who asks waits for this process itself: the kernel keeps even one
 * that was killed until the answer comes.
 */
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANGS_US 20000

static int file_fd;
static char hangs[4096];

static void wait_for_leave(void)
{
	const int fd = open(hangs, O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, ".", 1) < 0)
		perror("hangfs: .hangs");
	close(fd);
	while (access(hangs, F_OK) == 0)
		usleep(HANGS_US);
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	if (strcmp(path, "/") == 0) {
		*st = (struct stat){.st_mode = S_IFDIR | 0755, .st_nlink = 2};
		return 0;
	}
	wait_for_leave();
	if (strcmp(path, "/image") != 0)
		return -ENOENT;
	return fstat(file_fd, st) < 0 ? -errno : 0;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	wait_for_leave();
	fi->direct_io = 1;
	return 0;
}

static int fs_read(const char *path, char *data, size_t n_bytes, off_t off,
		   struct fuse_file_info *fi)
{
	(void)path;
	(void)fi;
	wait_for_leave();
	const ssize_t n = pread(file_fd, data, n_bytes, off);
	return n < 0 ? -errno : (int)n;
}

static const struct fuse_operations operations = {
	.getattr = fs_getattr,
	.open = fs_open,
	.read = fs_read,
};

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: hangfs FILE DIR [FUSE-OPTION...]\n");
		return 2;
	}
	file_fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (file_fd < 0) {
		fprintf(stderr, "hangfs: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	snprintf(hangs, sizeof hangs, "%s.hangs", argv[1]);
	argv[1] = argv[0];
	return fuse_main(argc - 1, argv + 1, &operations, NULL);
}
