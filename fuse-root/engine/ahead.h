/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead.h - which reads are sequential, and what they will want next
 *
 * A small table of streams, each the place up to which somebody has read, found by position alone,
 * because the kernel does not say who reads.  A read that continues one makes it longer; one that
 * continues none begins a candidate, and is forgotten unless more reads continue it.  What is worth
 * fetching ahead of a stream is as much as was read of it, up to AHEAD_BYTES_MAX: so a reader that
 * stops has cost at most as many bytes again.  Streams that never had to wait get nothing.
 *
 * Knows no chunk's state and fetches nothing.  Functions may be called from any thread.
 */
#ifndef ENGINE_AHEAD_H
#define ENGINE_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "imgfmt/base.h"

/* So much must have been read of one, in two reads at least, before it counts as a stream. */
#define AHEAD_RUN_BYTES_MIN (256u * 1024)
#define AHEAD_BYTES_MAX (8u * 1024 * 1024)
#define AHEAD_STREAMS 8u

struct ahead;

/* Chunks [first_ci, end_ci) that a stream will want soon. */
struct ahead_want {
	unsigned stream;
	uint64_t generation; /* whose stream it was */
	uint64_t first_ci, end_ci;
};

/* -ENOMEM */
int ahead_new(uint64_t n_chunks, uint32_t chunk_bytes, struct ahead **ret) _must_check_;
/* NULL is legal. */
void ahead_free(struct ahead *a);

/* A read came in; `missed`: it has to wait.  True: there is more to fetch ahead than before. */
bool ahead_note(struct ahead *a, uint64_t img_off, uint64_t n_bytes, bool missed);

/* What the stream whose reader is closest behind wants; false: nobody wants anything. */
bool ahead_next(struct ahead *a, struct ahead_want *ret) _must_check_;
/* All before ci is there or on its way. */
void ahead_asked(struct ahead *a, const struct ahead_want *want, uint64_t ci);

#endif
