/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_call.c - the client's side of the control socket: one request, one answer
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "face/control.h"
#include "face/control_address.h"

#define ANSWER_BYTES_MAX (1024 * 1024)

/* SO_SNDTIMEO bounds connect, too. */
static int set_timeouts(int fd, int timeout_ms)
{
	struct timeval t = {.tv_sec = timeout_ms / 1000,
			    .tv_usec = timeout_ms % 1000 * 1000};

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) < 0)
		return -errno;
	return 0;
}

static int last_error(void)
{
	return errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
}

static ssize_t receive(int fd, void *buf, size_t n_bytes, int flags)
{
	ssize_t n;

	do {
		n = recv(fd, buf, n_bytes, flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? last_error() : n;
}

/* The length first, then the packet. */
static int receive_answer(int fd, char **ret_answer)
{
	cleanup_free char *answer = NULL;
	ssize_t n = receive(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);

	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	if (n > ANSWER_BYTES_MAX)
		return -EMSGSIZE;
	answer = calloc(1, (size_t)n + 1);
	if (!answer)
		return -ENOMEM;
	n = receive(fd, answer, (size_t)n, 0);
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	*ret_answer = steal_pointer(&answer);
	return 0;
}

int control_call(int dirfd, const char *request, int timeout_ms, char **ret_answer)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int err;

	if (fd < 0)
		return -errno;
	err = set_timeouts(fd, timeout_ms);
	if (err)
		return err;
	control_address(dirfd, &address);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return last_error();
	return receive_answer(fd, ret_answer);
}
