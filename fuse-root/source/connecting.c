/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connecting.c - see connecting.h
 */
#include "source/connecting.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

int connecting_result(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
	int err = 0;
	socklen_t n = sizeof err;

	if (poll(&pollfd, 1, 0) <= 0)
		return -EINPROGRESS;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
		return -errno;
	return -err;
}
