/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - fetches chunks from the source into the store, demanded ones first
 *
 * Threads: one engine thread, which alone talks to the source and decides what is fetched next;
 * workers, which copy, verify, decompress and store, and then tell the readers that wait.
 * Whatever goes wrong with a chunk, it is tried again; it is READY or the reads wait.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "imgfmt/imgfmt.h"
#include "map/chunkmap.h"
#include "source/source.h"
#include "store/store.h"

/* A hot pack beside the image, and what makes it trusted. */
struct hot_config {
	bool has_pack; /* the source knows where */
	/* PEM: it must be signed by this key; NULL: it need not be signed. */
	const char *public_key;
	size_t public_key_bytes;
	bool has_digest; /* it must be the pack of this digest */
	uint8_t digest[IMG_DIGEST_BYTES];
};

struct engine_config {
	struct img *img; /* all of these are borrowed */
	struct source *source;
	struct chunkmap *cm;
	struct store *store;
	unsigned n_workers;
	uint64_t rate_bytes; /* of the background fill, per second; 0: no limit */
	bool fill; /* false: on demand only, until engine_set_fill */
	/*
	 * The fill goes strictly from the front of the file to its back, index first,
	 * without hot pack, as servers without ranges need it; for as long as there is a
	 * fill, and nobody reads then.
	 */
	bool in_order;
	struct hot_config hot;
	/* Reads to ask the map again; called by a worker, without locks. */
	void (*resume)(void *ctx, struct chunk_waiter *list);
	/*
	 * Fail reads that have waited too long; returns as readpath_expire.  Engine
	 * thread; NULL: never.
	 */
	int64_t (*expire)(void *ctx);
	/*
	 * Every chunk is READY, and the fill is on; called by the engine thread, once for
	 * each time the fill is turned on.
	 */
	void (*complete)(void *ctx);
	void *ctx;
};

struct engine_stats {
	uint64_t demand_chunks; /* fetched because a read waited */
	/* Stored (compressed) bytes by class. */
	uint64_t demand_bytes, hot_bytes, ahead_bytes, fill_bytes;
	uint64_t n_rejected; /* chunks or index pages that did not verify */
	bool is_paused;
	char error[256]; /* newest failure that holds something up, or "" */
};

struct engine;

/*
 * All memory, no thread yet.  `first` is the start of the image file, as far as it was read at
 * attach: index pages in it need no fetching.  -ENOMEM
 */
int engine_new(const struct engine_config *config, const uint8_t *first, size_t n_first,
	       struct engine **ret) _must_check_;
/* -errno of pthread_create; then nothing runs. */
int engine_start(struct engine *e) _must_check_;
/* Ends all threads; what was under way is given up.  May be called twice. */
void engine_stop(struct engine *e);
void engine_free(struct engine *e);

/* Stop and resume the background fill; demand goes on.  Any thread. */
void engine_pause(struct engine *e, bool paused);
/* The fill asks for nothing in the next delay_ms; it need not be paused.  Any thread. */
void engine_hold_fill(struct engine *e, int64_t delay_ms);
/* Cap of the fill in bytes per second from now on; 0: none.  Any thread. */
void engine_set_rate(struct engine *e, uint64_t rate_bytes);
/* Whether there is to be a fill at all; without, nothing is ever complete.  Any thread. */
void engine_set_fill(struct engine *e, bool fill);
void engine_stats(struct engine *e, struct engine_stats *ret);

/*
 * A read of [img_off, +n_bytes) came in; `missed`: not all of it is there.  For fetching ahead of
 * sequential readers.  Any thread, also before the start and after the end.
 */
void engine_note_read(struct engine *e, uint64_t img_off, uint64_t n_bytes, bool missed);

#endif
