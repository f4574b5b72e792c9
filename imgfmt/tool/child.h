/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - other people's tools, run as child processes
 *
 * A child dies with us, finds its files as /proc/self/fd/N, and has its messages on our
 * standard error: it knows best what went wrong.  Nothing goes through a shell.
 */
#ifndef IMGFMT_CHILD_H
#define IMGFMT_CHILD_H

#include "imgfmt/base.h"

#include <sys/types.h>

struct child {
	const char *subject; /* of messages: what it is run for */
	const char *package; /* "install PACKAGE" when it is not there */
	const char *const *argv; /* [0] is looked for in the system's folders */
	const char *const *env; /* "NAME=VALUE" sets, "NAME" removes; or NULL */
	int fds[2]; /* what it inherits beside 0, 1, 2; 0 for none */
	bool quiet; /* its messages are not wanted */
	int ok_status[2]; /* exit statuses that are as good as 0 */
};

/* Room for "/proc/self/fd/N". */
#define CHILD_PATH_BYTES 32

/* How a child calls our fd. */
void child_path(int fd, char ret[CHILD_PATH_BYTES]);

/* All print, and return an exit code. */
int child_run(const struct child *c) _must_check_;

/* The same, with the first n - 1 bytes of its standard output and a NUL. */
int child_capture(const struct child *c, char *ret, size_t n) _must_check_;

/*
 * Start one and read its standard output from *ret_fd, which is the caller's.
 * child_finish waits for it.  child_abandon ends it; what it thinks of that is nothing.
 */
int child_start(const struct child *c, int *ret_fd, pid_t *ret_pid) _must_check_;
int child_finish(const struct child *c, pid_t pid) _must_check_;
void child_abandon(pid_t pid);

/* Is there such a program?  Never prints. */
bool child_is_there(const char *program);

#endif
