/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_run.c - runs of chunks that lie side by side in the file
 */
#include "engine/fetch_parts.h"

#include <assert.h>

#define DEMAND_RUN_BYTES (1024u * 1024)

/* A request that begins with chunk ci, which is claimed. */
struct run {
	enum source_class class;
	uint64_t ci, end_ci; /* no chunk from end_ci on */
	uint32_t max_bytes;
	bool is_demand; /* demanded chunks only, and holes between them */
	uint32_t gap_bytes; /* of one such hole, at most */
	uint32_t avoid; /* servers */
};

static void unclaim_from(struct fetcher *f, struct fetch *fetch, unsigned n_keep)
{
	while (fetch->n_chunks > n_keep)
		chunkmap_unclaim(f->config.cm, fetch->chunks[--fetch->n_chunks].ci);
}

/*
 * Chunks as far as they lie side by side, can be claimed and fit.  A hole of chunks that
 * nobody demanded yet is fetched along where that is cheaper than another request; what
 * is there already is never fetched again.
 */
static void extend_run(struct fetcher *f, struct fetch *fetch,
		       const struct img_page *page, const struct run *run)
{
	uint64_t end_ci =
		min_u64(page->page * IMG_PAGE_ENTRIES + page->n_entries, run->end_ci);
	unsigned n_keep = fetch->n_chunks;

	for (uint64_t ci = run->ci + 1; ci < end_ci && fetch->n_chunks < FETCH_CHUNKS_MAX;
	     ci++) {
		struct img_chunk *next = &fetch->chunks[fetch->n_chunks];
		int err = img_page_chunk(f->config.img, page, ci, next);
		uint64_t n_bytes = next->src_off + next->stored_bytes - fetch->src_off;
		bool is_wanted =
			!run->is_demand || chunkmap_is_demanded(f->config.cm, ci);

		if (err < 0 || n_bytes > run->max_bytes)
			break;
		if (next->is_zero)
			continue;
		/* In order it is free for all, but may not come from everywhere or not yet. */
		if (fetch_order_is_on(f) && fetch_failed_find(f, false, ci))
			break;
		if (!is_wanted && n_bytes - fetch->n_bytes > run->gap_bytes)
			break;
		if (!chunkmap_claim(f->config.cm, ci))
			break;
		fetch->n_chunks++;
		if (!is_wanted)
			continue;
		n_keep = fetch->n_chunks;
		fetch->n_bytes = (uint32_t)n_bytes;
	}
	unclaim_from(f, fetch, n_keep);
}

/* NULL: no room, the first chunk stays claimed. */
static const struct fetch *send_run(struct fetcher *f, const struct img_page *page,
				    const struct run *run)
{
	struct fetch *fetch = fetch_free_slot(f);
	int err;

	if (!fetch)
		return NULL;
	*fetch = (struct fetch){.kind = FETCH_CHUNKS, .class = run->class, .n_chunks = 1};
	err = img_page_chunk(f->config.img, page, run->ci, &fetch->chunks[0]);
	assert(err == 0);
	(void)err;
	fetch->src_off = fetch->chunks[0].src_off;
	fetch->n_bytes = fetch->chunks[0].stored_bytes;
	extend_run(f, fetch, page, run);
	if (fetch_send(f, fetch, run->avoid))
		return fetch;
	unclaim_from(f, fetch, 1);
	fetch->kind = FETCH_NONE;
	return NULL;
}

bool fetch_run_again(struct fetcher *f, uint64_t ci, const struct img_page *page,
		     uint32_t avoid)
{
	const struct run run = {
		.class = SOURCE_DEMAND,
		.ci = ci,
		.end_ci = ci + 1,
		.avoid = avoid,
	};

	return send_run(f, page, &run) != NULL;
}

bool fetch_run_demand(struct fetcher *f)
{
	struct run run = {
		.class = SOURCE_DEMAND,
		.end_ci = UINT64_MAX,
		.max_bytes = DEMAND_RUN_BYTES,
		.is_demand = true,
		.gap_bytes = fill_gap_bytes(&f->fill),
	};
	const struct img_page *page;
	struct img_range range;
	uint64_t ci;

	if (!chunkmap_next_demand(f->config.cm, &ci))
		return false;
	page = fetch_pages_find(f, img_page_of(ci), &range);
	/* Loading the page may have made the chunk READY: a zero chunk. */
	if (!chunkmap_claim(f->config.cm, ci))
		return true;
	run.ci = ci;
	if (page && send_run(f, page, &run))
		return true;
	if (!page && queue_push(&f->parked, ci)) {
		if (fetch_pages_send(f, img_page_of(ci), &range, SOURCE_DEMAND))
			return true;
		fetch_pages_unpark(f);
		return false;
	}
	chunkmap_unclaim(f->config.cm, ci);
	return false;
}

/* Bytes that are still to come of what was asked for ahead of readers. */
static uint32_t ahead_under_way(const struct fetcher *f)
{
	uint32_t n_bytes = 0;

	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind == FETCH_CHUNKS &&
		    f->fetches[i].class == SOURCE_AHEAD)
			n_bytes += f->fetches[i].n_bytes - f->fetches[i].n_received;
	return n_bytes;
}

bool fetch_run_ahead(struct fetcher *f)
{
	uint32_t half = fill_ahead_bytes(&f->fill) / 2;
	struct run run = {.class = SOURCE_AHEAD, .max_bytes = half};
	const struct img_page *page;
	const struct fetch *sent;
	struct ahead_want want;
	struct img_range range;

	if (ahead_under_way(f) > half || !ahead_next(f->ahead, &want))
		return false;
	run.end_ci = want.end_ci;
	if (!chunkmap_next_absent(f->config.cm, want.first_ci, &run.ci) ||
	    run.ci >= want.end_ci) {
		ahead_asked(f->ahead, &want, want.end_ci);
		return true;
	}
	page = fetch_pages_find(f, img_page_of(run.ci), &range);
	if (!page) {
		(void)!fetch_pages_send(f, img_page_of(run.ci), &range, SOURCE_AHEAD);
		return false;
	}
	if (!chunkmap_claim(f->config.cm, run.ci)) {
		ahead_asked(f->ahead, &want, run.ci + 1);
		return true;
	}
	sent = send_run(f, page, &run);
	if (!sent) {
		chunkmap_unclaim(f->config.cm, run.ci);
		return false;
	}
	ahead_asked(f->ahead, &want, sent->chunks[sent->n_chunks - 1].ci + 1);
	return true;
}

bool fetch_run_fill(struct fetcher *f)
{
	struct run run = {
		.class = SOURCE_FILL,
		.end_ci = UINT64_MAX,
		.max_bytes = fill_request_bytes(&f->fill, f->now_ms),
	};
	const struct img_page *page;
	const struct fetch *sent;
	struct img_range range;
	uint64_t ci;

	if (!chunkmap_next_absent(f->config.cm, f->fill_ci, &ci)) {
		/* Once more from the start: something may have been given back. */
		if (f->fill_ci == 0)
			return false;
		f->fill_ci = 0;
		return true;
	}
	page = fetch_pages_find(f, img_page_of(ci), &range);
	if (!page) {
		fetch_pages_send(f, img_page_of(ci), &range, SOURCE_FILL);
		return false;
	}
	f->fill_ci = ci + 1;
	if (!chunkmap_claim(f->config.cm, ci))
		return true;
	run.ci = ci;
	sent = send_run(f, page, &run);
	if (!sent) {
		chunkmap_unclaim(f->config.cm, ci);
		return false;
	}
	fill_sent(&f->fill, sent->n_bytes, f->now_ms);
	f->fill_ci = sent->chunks[sent->n_chunks - 1].ci + 1;
	return true;
}

bool fetch_run_from(struct fetcher *f, uint64_t ci)
{
	const struct failed *x = fetch_failed_find(f, false, ci);
	const struct run run = {
		.class = SOURCE_FILL,
		.ci = ci,
		.end_ci = x ? ci + 1 : UINT64_MAX,
		.max_bytes = fill_request_bytes(&f->fill, f->now_ms),
		.avoid = x ? x->avoid : 0,
	};
	const struct img_page *page;
	const struct fetch *sent;
	struct img_range range;

	page = fetch_pages_find(f, img_page_of(ci), &range);
	assert(page);
	f->fill_ci = ci + 1;
	if (!chunkmap_claim(f->config.cm, ci))
		return true;
	sent = send_run(f, page, &run);
	if (!sent) {
		chunkmap_unclaim(f->config.cm, ci);
		f->fill_ci = ci;
		return false;
	}
	fill_sent(&f->fill, sent->n_bytes, f->now_ms);
	f->fill_ci = sent->chunks[sent->n_chunks - 1].ci + 1;
	return true;
}

/* A read has come to wait for a chunk that the fill asked for: it must not stand in line. */
void fetch_run_promote(struct fetcher *f)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++) {
		struct fetch *fetch = &f->fetches[i];

		if (fetch->kind != FETCH_CHUNKS || fetch->class == SOURCE_DEMAND ||
		    fetch->is_done)
			continue;
		for (unsigned k = fetch->n_handed; k < fetch->n_chunks; k++)
			if (chunkmap_has_waiters(f->config.cm, fetch->chunks[k].ci)) {
				fetch->class = SOURCE_DEMAND;
				source_promote(f->config.source, fetch->id);
				break;
			}
	}
	for (unsigned i = 0; i < FETCHES_MAX; i++) {
		struct fetch *fetch = &f->fetches[i];

		if (fetch->kind == FETCH_PAGE && fetch->class != SOURCE_DEMAND &&
		    queue_length(&f->parked)) {
			fetch->class = SOURCE_DEMAND;
			source_promote(f->config.source, fetch->id);
		}
	}
}

void fetch_run_hand_out(struct fetcher *f, struct fetch *fetch,
			const struct source_event *ev)
{
	while (fetch->n_handed < fetch->n_chunks) {
		const struct img_chunk *chunk = &fetch->chunks[fetch->n_handed];
		uint64_t at = chunk->src_off - fetch->src_off;
		struct worker_job job = {
			.chunk = *chunk,
			.data = ev->data + at,
			.fetch = (unsigned)(fetch - f->fetches),
			.server = ev->server,
		};

		if (at + chunk->stored_bytes > fetch->n_received)
			return;
		workers_push(f->workers, &job);
		fetch->n_handed++;
	}
}
