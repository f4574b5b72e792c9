/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readfile.c - the whole of a small file
 */
#include "source/readfile.h"

#include <errno.h>
#include <fcntl.h>

static int read_all(int fd, size_t max, uint8_t *data, size_t *ret_n)
{
	size_t n = 0;
	ssize_t got;

	while (n <= max && (got = read(fd, data + n, max + 1 - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		n += (size_t)got;
	}
	*ret_n = n;
	return n > max ? -EFBIG : 0;
}

int readfile_fd(int fd, size_t max, uint8_t **ret, size_t *ret_n)
{
	cleanup_free uint8_t *data = malloc(max + 1);

	if (!data)
		return -ENOMEM;
	int r = read_all(fd, max, data, ret_n);
	if (r < 0)
		return r;
	data[*ret_n] = '\0';
	/* It was read into a buffer for the largest there may be. */
	uint8_t *fitting = realloc(data, *ret_n + 1);
	if (fitting)
		data = fitting;
	*ret = steal_pointer(&data);
	return 0;
}

int readfile_path(const char *path, size_t max, uint8_t **ret, size_t *ret_n)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : readfile_fd(fd, max, ret, ret_n);
}
