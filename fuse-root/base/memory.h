/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - how much memory this machine has, and how much of it could be had
 *
 * From /proc/meminfo, proc(5).  Any thread.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

#include "imgfmt/base.h"

struct memory {
	uint64_t total_bytes; /* MemTotal */
	uint64_t
		available_bytes; /* MemAvailable: without swapping, as the kernel estimates it */
};

/* A descriptor for memory_read, which works when no path does any more.  fd or -errno. */
int memory_open(void) _must_check_;
/* Does not block.  -errno; -EBADMSG when a line is missing. */
int memory_read(int fd, struct memory *ret) _must_check_;

/* The text of /proc/meminfo; for memory_read and tests.  -EBADMSG */
int memory_parse(const char *text, struct memory *ret) _must_check_;

#endif
