/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passfd.h - messages over a Unix socket with a descriptor beside them
 *
 * For SOCK_SEQPACKET: a message is sent and received whole.  Neither ever blocks.
 */
#ifndef BASE_PASSFD_H
#define BASE_PASSFD_H

#include <sys/types.h>

#include "imgfmt/base.h"

/* With fd, unless that is -1, of which the caller keeps its own.  0 or -errno. */
int passfd_send(int sock, const void *data, size_t n_bytes, int fd) _must_check_;

/*
 * How many bytes the message had, 0 when the other side is gone, or -errno.  *ret_fd: what came
 * beside it, which the caller is to close, or -1.  flags: MSG_PEEK leaves both for who comes next.
 */
ssize_t passfd_recv(int sock, void *data, size_t n_bytes, int flags,
		    int *ret_fd) _must_check_;

#endif
