/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_run.c - runs of chunks that lie side by side in the file
 */
#include "engine/fetch_parts.h"

#include <assert.h>

#define DEMAND_RUN_BYTES (1024u * 1024)

/* Chunks as far as they lie side by side, are wanted by `wants`, and fit into max_bytes. */
static void extend_run(struct fetcher *f, struct fetch *fetch,
		       const struct img_page *page, uint32_t max_bytes,
		       bool (*wants)(struct fetcher *f, uint64_t ci))
{
	uint64_t ci = fetch->chunks[0].ci + 1;
	uint64_t end_ci = page->page * IMG_PAGE_ENTRIES + page->n_entries;

	for (; ci < end_ci && fetch->n_chunks < FETCH_CHUNKS_MAX; ci++) {
		struct img_chunk *next = &fetch->chunks[fetch->n_chunks];
		int err = img_page_chunk(f->config.img, page, ci, next);
		uint64_t n_bytes = next->src_off + next->stored_bytes - fetch->src_off;

		if (err < 0 || n_bytes > max_bytes)
			return;
		if (next->is_zero)
			continue;
		if (!wants(f, ci) || !chunkmap_claim(f->config.cm, ci))
			return;
		fetch->n_chunks++;
		fetch->n_bytes = (uint32_t)n_bytes;
	}
}

static bool is_demanded(struct fetcher *f, uint64_t ci)
{
	return chunkmap_is_demanded(f->config.cm, ci);
}

static bool is_any(struct fetcher *f, uint64_t ci)
{
	(void)f;
	(void)ci;
	return true;
}

/* Send a fetch that begins with a chunk that is claimed; NULL: no room, it stays claimed. */
const struct fetch *fetch_run_send(struct fetcher *f, uint64_t ci,
				   const struct img_page *page, enum source_class class,
				   const struct failed *x)
{
	struct fetch *fetch = fetch_free_slot(f);
	int err;

	if (!fetch)
		return NULL;
	*fetch = (struct fetch){.kind = FETCH_CHUNKS, .class = class, .n_chunks = 1};
	err = img_page_chunk(f->config.img, page, ci, &fetch->chunks[0]);
	assert(err == 0);
	fetch->src_off = fetch->chunks[0].src_off;
	fetch->n_bytes = fetch->chunks[0].stored_bytes;
	if (!x && class == SOURCE_DEMAND)
		extend_run(f, fetch, page, DEMAND_RUN_BYTES, is_demanded);
	else if (!x)
		extend_run(f, fetch, page, fill_request_bytes(&f->fill, f->now_ms),
			   is_any);
	if (fetch_send(f, fetch, x ? x->avoid : 0))
		return fetch;
	for (unsigned i = 1; i < fetch->n_chunks; i++)
		chunkmap_unclaim(f->config.cm, fetch->chunks[i].ci);
	fetch->kind = FETCH_NONE;
	return NULL;
}

/* One demanded chunk, or the index page that tells where it is.  False: nothing to send. */
bool fetch_run_demand(struct fetcher *f)
{
	const struct img_page *page;
	struct img_range range;
	uint64_t ci;

	if (!chunkmap_next_demand(f->config.cm, &ci))
		return false;
	page = fetch_pages_find(f, img_page_of(ci), &range);
	/* Loading the page may have made the chunk READY: a zero chunk. */
	if (!chunkmap_claim(f->config.cm, ci))
		return true;
	if (page && fetch_run_send(f, ci, page, SOURCE_DEMAND, NULL))
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

/* A run of chunks that nobody asked for.  False: nothing to send, or not now. */
bool fetch_run_fill(struct fetcher *f)
{
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
	sent = fetch_run_send(f, ci, page, SOURCE_FILL, NULL);
	if (!sent) {
		chunkmap_unclaim(f->config.cm, ci);
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
