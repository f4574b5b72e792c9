/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bufpool.h - equal pieces of memory, allocated once
 *
 * The read path allocates nothing after start-up: it is the root disk, and waiting for memory
 * that needs the root disk would be a deadlock.  Pieces are aligned to 4096 when they are that
 * large, to a cache line otherwise.  Any thread.
 */
#ifndef BASE_BUFPOOL_H
#define BASE_BUFPOOL_H

#include "imgfmt/base.h"

struct bufpool;

/* n pieces of n_bytes each; NULL without memory. */
struct bufpool *bufpool_new(unsigned n, size_t n_bytes);
/* All pieces must be back.  NULL is legal. */
void bufpool_free(struct bufpool *p);
/* One piece, contents undefined; waits while there is none. */
void *bufpool_get(struct bufpool *p);
void bufpool_put(struct bufpool *p, void *piece);

#endif
