/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - keeps what the store takes below a budget: what was used least recently
 * leaves
 *
 * A store around the real one, for everybody who reads and writes chunks.  Each write
 * takes room first, for the bytes that are to be stored as if they could not be
 * compressed; what the store really takes is asked for when the room seems to be used up.
 * A thread of its own makes room ahead of need: it throws away blocks that came from the
 * image, least recently used chunks first, and has the store gather what is scattered
 * then.  Who finds no room waits for that thread, so for memory only.
 *
 * When nothing is left that could leave, what was written here fills the budget: then
 * writes fail with -ENOSPC, fetched chunks cannot be stored, and reads of them wait.
 * Reads of what is there and discards go on.  Without a budget it is a way through.
 */
#ifndef ENGINE_CACHE_H
#define ENGINE_CACHE_H

#include "map/chunkmap.h"
#include "store/store.h"

/*
 * Less cannot work: several requests of a megabyte, and chunks of up to four, are under
 * way at a time.
 */
#define CACHE_BYTES_MIN (UINT64_C(16) * 1024 * 1024)

struct cache_config {
	struct store *inner; /* borrowed, as the map */
	struct chunkmap *cm;
	uint64_t image_bytes;
	uint32_t chunk_bytes;
	uint64_t budget_bytes; /* 0: none */
};

struct cache_stats {
	uint64_t budget_bytes; /* 0: none */
	uint64_t used_bytes; /* tables included */
	/* Of these for what was written here, about, and for tables. */
	uint64_t written_bytes;
	uint64_t evicted_chunks, evicted_bytes; /* in all, before compression */
	bool is_store_full; /* the store itself refused the last write for want of room */
	bool is_full; /* the last write that needed room found none */
};

struct cache;

/* All memory, no thread yet.  -ENOMEM */
int cache_new(const struct cache_config *config, struct cache **ret) _must_check_;
int cache_start(struct cache *c) _must_check_;
/* Ends the thread; writes that wait for room fail. */
void cache_stop(struct cache *c);
/* The inner store stays.  NULL is legal. */
void cache_free(struct cache *c);

/* What stands in the place of the inner store; the cache's own, not to be freed. */
struct store *cache_store(struct cache *c);

/*
 * A new budget, or none.  When it is smaller than what is used, chunks begin to leave.
 * With none, nothing leaves any more when this returns.  Any thread; may wait for what is
 * being thrown away.
 */
void cache_set_budget(struct cache *c, uint64_t budget_bytes);

/* Asks the store; some microseconds. */
void cache_stats(struct cache *c, struct cache_stats *ret);

#endif
