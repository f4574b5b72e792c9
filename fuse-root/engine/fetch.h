/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.h - requests to the source that are under way, and the chunks they carry
 *
 * A fetch asks for one index page, for the hot pack's table or some of its frames, or for
 * a run of chunks that lie side by side in the image file; between two of them there may
 * be the tiny frames of zero chunks, which are skipped.  Its chunks are claimed in the
 * chunk map and go to the workers one by one as their bytes arrive. Chunks that failed
 * stay claimed and wait in `failed` for their next try; in order they are given back.
 * All of it is the engine thread's own.
 */
#ifndef ENGINE_FETCH_H
#define ENGINE_FETCH_H

#include "engine/ahead.h"
#include "engine/engine.h"
#include "engine/fill.h"
#include "engine/hot.h"
#include "engine/pages.h"
#include "engine/workers.h"
#include "map/queue.h"

#define FETCHES_MAX 16u
#define FETCH_CHUNKS_MAX 64u
#define FAILED_MAX 64u

#define HOT_FETCHES_MAX 2u /* the next is on its way while one arrives */

enum fetch_kind {
	FETCH_NONE,
	FETCH_PAGE,
	FETCH_CHUNKS,
	FETCH_HOT_HEAD,
	FETCH_HOT_TABLE,
	FETCH_HOT_FRAMES,
};

struct fetch {
	enum fetch_kind kind;
	enum source_class class;
	uint64_t id;
	uint64_t src_off;
	uint32_t n_bytes, n_received;
	bool is_done; /* every byte is there */
	int64_t sent_ms;
	uint64_t page; /* FETCH_PAGE */
	/* FETCH_CHUNKS; of FETCH_HOT_FRAMES the frames */
	unsigned n_chunks, n_handed, n_results;
	enum source_file file; /* FETCH_HOT_* */
	bool may_end; /* the file may be shorter */
	const struct img_hot *hot; /* FETCH_HOT_FRAMES: the table, and where in it */
	uint32_t first_frame;
	bool is_promoted; /* FETCH_HOT_*: treated as demand, counted as hot */
	struct img_chunk chunks[FETCH_CHUNKS_MAX];
};

/* A chunk or an index page whose bytes were wrong, or that could not be stored. */
struct failed {
	bool in_use, is_page, is_under_way;
	bool is_given_back; /* not claimed: in order, the next pass takes it */
	uint64_t index; /* ci or page */
	uint32_t avoid; /* servers that gave wrong bytes */
	unsigned n_tries;
	int64_t not_before_ms;
};

struct fetcher {
	struct engine_config config;
	struct pages *pages;
	struct ahead *ahead; /* shared with those who read */
	struct workers *workers;
	struct fill fill;
	int64_t now_ms; /* of the call that is running */
	struct hot hot;
	uint64_t next_id;
	uint64_t fill_ci; /* the fill has asked for everything before it, once */
	uint64_t n_pages_there; /* in order: index pages before it are in `pages` */
	struct fetch fetches[FETCHES_MAX];
	struct failed failed[FAILED_MAX];
	/* So much goes wrong that asking for more would only load the server: not before */
	int64_t demand_not_before_ms, fill_not_before_ms;
	int64_t fill_hold_ms; /* engine_hold_fill */
	struct queue parked; /* claimed chunks whose index page is on its way */
	uint8_t *page_copy; /* an index page out of shared memory */
	struct engine_stats stats; /* the engine publishes a copy */
};

int fetcher_init(struct fetcher *f, const struct engine_config *config,
		 struct workers *workers) _must_check_;
void fetcher_fini(struct fetcher *f);

/* Keep the index pages that lie wholly in the start of the file. */
void fetcher_seed(struct fetcher *f, const uint8_t *first, size_t n_first);
/* Send what may be sent now.  Returns how long until more may be, -1: after the next event. */
int64_t fetcher_submit(struct fetcher *f, int64_t now_ms);
void fetcher_event(struct fetcher *f, const struct source_event *ev, int64_t now_ms);
void fetcher_result(struct fetcher *f, const struct worker_result *result,
		    int64_t now_ms);

#endif
