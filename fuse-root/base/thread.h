/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.h - start a thread with a name and a small stack
 *
 * The default stack of 8 MiB would be locked into memory as it is touched; ours need little.
 * Signals but SIGSYS are blocked in every thread but the main one.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

#include "imgfmt/base.h"

/* 0 or -errno.  `name` is at most 15 characters; NULL: the process's, and no file is opened. */
int thread_start(pthread_t *ret, const char *name, void *(*body)(void *),
		 void *arg) _must_check_;

#endif
