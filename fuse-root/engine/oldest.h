/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oldest.h - of many chunks those that were used least recently, in a fixed place
 *
 * A heap while chunks are added, a sorted list afterwards.
 */
#ifndef ENGINE_OLDEST_H
#define ENGINE_OLDEST_H

#include "map/chunkmap.h"

#define OLDEST_MAX 1024u

struct oldest {
	struct chunk_age ages[OLDEST_MAX];
	unsigned n;
	unsigned next; /* to be taken */
};

void oldest_clear(struct oldest *o);
/* Keep it if it is among the OLDEST_MAX oldest so far. */
void oldest_add(struct oldest *o, const struct chunk_age *age);
/* Nothing is added any more: sort. */
void oldest_sort(struct oldest *o);
/* The oldest that was not taken yet; false: none is left. */
bool oldest_take(struct oldest *o, struct chunk_age *ret) _must_check_;

#endif
