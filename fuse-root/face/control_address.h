/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_address.h - where the control socket is; for control*.c only
 *
 * There is no bindat(): the way through /proc/self/fd works for any directory, however
 * long its path, and still after the daemon's root directory has changed.
 */
#ifndef FACE_CONTROL_ADDRESS_H
#define FACE_CONTROL_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include "imgfmt/base.h"

#define CONTROL_NAME "control"

static inline void control_address(int dirfd, struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->sun_family = AF_UNIX;
	snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dirfd,
		 CONTROL_NAME);
}

#endif
