/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.h - does a server answer over this interface: what an initramfs chooses one by
 */
#ifndef SOURCE_REACH_H
#define SOURCE_REACH_H

#include <stdbool.h>
#include <stddef.h>

#include "imgfmt/base.h"

#define REACH_HOST_BYTES 256u

/* Where a connection for a URL, or to a proxy, goes to. */
struct reach_where {
	char host[REACH_HOST_BYTES];
	char port[8];
};

/* False: `url` is a file, or of a scheme that nobody knows the port of. */
bool reach_parse(const char *url, struct reach_where *ret) _must_check_;

/*
 * Does one of the `n` URLs take a connection over `interface`, whatever the routes of
 * others are?  Also true when none of them is of this kind.  A name is asked for by the
 * system's resolver.  Waits up to `wait_ms` for all together, names apart.
 */
bool reach_any(const char *interface, const char *const *urls, size_t n,
	       int wait_ms) _must_check_;

#endif
