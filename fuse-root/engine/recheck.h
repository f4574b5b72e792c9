/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recheck.h - what a persistent store has from an earlier life is looked at before it is
 * used
 *
 * Its journal says which chunks are whole and what their SHA-256 is.  Every one is read
 * and hashed before its first block is served: those that somebody waits for at once, the
 * others in the background, in the image's order.  A chunk that is not what the journal
 * says is fetched like any other.
 */
#ifndef ENGINE_RECHECK_H
#define ENGINE_RECHECK_H

#include "map/chunkmap.h"
#include "store/store.h"

struct recheck_config {
	struct chunkmap *cm; /* borrowed, as the store */
	struct store *store;
	uint64_t image_bytes;
	uint32_t chunk_bytes;
	unsigned n_threads;
	/* Reads to ask the map again; called without locks. */
	void (*resume)(void *ctx, struct chunk_waiter *list);
	void *ctx;
};

struct recheck_stats {
	uint64_t n_present; /* said to be there at the start */
	uint64_t n_right, n_wrong; /* looked at so far */
};

struct recheck;

/*
 * Marks what the store has as PRESENT in the chunk map: before anything is fetched or
 * read.  All memory, no thread yet.  *ret is NULL when the store remembers nothing: then
 * all calls do nothing.  -ENOMEM
 */
int recheck_new(const struct recheck_config *config, struct recheck **ret) _must_check_;
int recheck_start(struct recheck *r) _must_check_;
/* What was not looked at is as good as not there.  May be called twice. */
void recheck_stop(struct recheck *r);
void recheck_free(struct recheck *r);
void recheck_stats(struct recheck *r, struct recheck_stats *ret);

#endif
