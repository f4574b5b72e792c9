/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evict.h - throws away of a store what came from the image and was used least recently
 *
 * Goes by a list of the oldest, which is made anew when it is used up.  Of a chunk that was
 * written to the other blocks leave.  One thread.
 */
#ifndef ENGINE_EVICT_H
#define ENGINE_EVICT_H

#include "engine/oldest.h"
#include "imgfmt/imgfmt.h"
#include "store/store.h"

#define EVICT_AGES 256u

struct evict_config {
	struct store *store; /* borrowed, as the map */
	struct chunkmap *cm;
	uint64_t image_bytes;
	uint32_t chunk_bytes;
};

/* All zero but for config at first. */
struct evict {
	struct evict_config config;
	struct oldest oldest;
	struct chunk_age scanned[EVICT_AGES];
	uint8_t kept[IMG_CHUNK_BYTES_MAX / IMG_BLOCK_BYTES /
		     8]; /* written blocks of one chunk */
	bool has_complained;
};

struct evicted {
	uint64_t n_chunks, n_bytes; /* before compression */
};

/*
 * Throw away about n_bytes.  None: nothing can leave; what is in use for a moment is waited for,
 * some milliseconds.  A store that will not discard is logged once.
 */
void evict_some(struct evict *e, uint64_t n_bytes, struct evicted *ret);

#endif
