/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_filter.h - the system calls that the network process may make
 *
 * A list of what libcurl, its TLS library and the resolver need, with their arguments
 * where these
 * matter: sockets of the Internet families and route netlink, files for reading, threads
 * but no processes, memory that is not executable.  What is not in the list fails with
 * EPERM and is noted, because a library of another version may try it and do without: if
 * that killed the process, a root disk would lose its network for good.  What no library
 * tries (executing, tracing, mounting, loading code into the kernel) kills the process:
 * then somebody else has its reins, and a new process is better than that one.
 */
#ifndef SOURCE_NET_FILTER_H
#define SOURCE_NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "imgfmt/base.h"

/* Whether this kernel has seccomp filters. */
bool net_filter_is_supported(void);

/*
 * From now on, for this thread and those it makes, for good; sets no_new_privs.  0 or -errno.
 * Allocates; opens nothing.
 */
int net_filter_enter(void) _must_check_;

/* The number of a system call refused since this was asked last; -1: none. */
int net_filter_refused(void);

/* "ptrace", or its number. */
void net_filter_name(int number, char *ret, size_t n_bytes);

#endif
