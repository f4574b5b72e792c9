/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_hot.c - the hot pack's table and frames
 */
#include "engine/fetch_parts.h"

#include <assert.h>

static unsigned n_hot_fetches(const struct fetcher *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FETCHES_MAX; i++)
		n += f->fetches[i].kind == FETCH_HOT_TABLE ||
		     f->fetches[i].kind == FETCH_HOT_FRAMES;
	return n;
}

static bool send_hot_table(struct fetcher *f, struct fetch *fetch)
{
	struct img_range range = hot_table_range(&f->hot);

	*fetch = (struct fetch){
		.kind = FETCH_HOT_TABLE,
		.class = SOURCE_HOT,
		.src_off = range.src_off,
		.n_bytes = (uint32_t)range.n_bytes,
	};
	if (!fetch_send(f, fetch, 0))
		return false;
	f->hot.state = HOT_TABLE_SENT;
	return true;
}

static bool send_hot_frames(struct fetcher *f, struct fetch *fetch)
{
	struct hot_range range = hot_next(&f->hot, f->fill.throughput, FETCH_CHUNKS_MAX);

	*fetch = (struct fetch){
		.kind = FETCH_HOT_FRAMES,
		.class = SOURCE_HOT,
		.src_off = range.src_off,
		.n_bytes = range.n_bytes,
		.first_frame = range.first,
		.n_chunks = range.n,
	};
	if (!fetch_send(f, fetch, 0))
		return false;
	hot_sent(&f->hot, &range);
	return true;
}

/* The table of the hot pack, or its next frames.  False: nothing to send, or not now. */
bool fetch_hot_send(struct fetcher *f)
{
	struct fetch *fetch = fetch_free_slot(f);
	bool is_sent = false;

	if (f->hot.state == HOT_TABLE)
		is_sent = send_hot_table(f, fetch);
	else if (f->hot.state == HOT_FRAMES && n_hot_fetches(f) < HOT_FETCHES_MAX)
		is_sent = send_hot_frames(f, fetch);
	else
		return false;
	if (!is_sent)
		fetch->kind = FETCH_NONE;
	return is_sent;
}

/* The fill comes when the pack is there: until then the line is the boot's. */
bool fetch_hot_is_busy(const struct fetcher *f)
{
	return f->hot.state != HOT_NONE || n_hot_fetches(f) > 0;
}

/* A read waits for blocks that the hot pack is bringing. */
static bool hot_is_wanted(const struct fetcher *f, const struct fetch *fetch)
{
	for (unsigned i = fetch->n_handed; i < fetch->n_chunks; i++)
		if (hot_is_waited_for(&f->hot, fetch->first_frame + i))
			return true;
	return false;
}

void fetch_hot_promote(struct fetcher *f)
{
	struct chunkmap_counts counts;

	if (n_hot_fetches(f) == 0)
		return;
	chunkmap_counts(f->config.cm, &counts);
	for (unsigned i = 0; counts.n_waiting && i < FETCHES_MAX; i++) {
		struct fetch *fetch = &f->fetches[i];

		if (fetch->kind != FETCH_HOT_FRAMES || fetch->is_promoted ||
		    fetch->is_done || !hot_is_wanted(f, fetch))
			continue;
		fetch->is_promoted = true;
		source_promote(f->config.source, fetch->id);
	}
}

void fetch_hot_table_arrived(struct fetcher *f, struct fetch *fetch,
			     const struct source_event *ev)
{
	cleanup_free uint8_t *copy = malloc(fetch->n_bytes);

	if (copy) {
		memcpy(copy, ev->data, fetch->n_bytes);
		hot_take_table(&f->hot, copy, fetch->n_bytes);
	} else {
		hot_abandon(&f->hot, "out of memory");
	}
	source_release(f->config.source, fetch->id);
	fetch->kind = FETCH_NONE;
}

void fetch_hot_hand_out(struct fetcher *f, struct fetch *fetch,
			const struct source_event *ev)
{
	const struct img_hot *hot = f->hot.table;
	uint64_t start = hot->frames[fetch->first_frame].hot_off;

	for (; fetch->n_handed < fetch->n_chunks; fetch->n_handed++) {
		uint32_t i = fetch->first_frame + fetch->n_handed;
		uint64_t at = hot->frames[i].hot_off - start;
		struct worker_job job = {
			.hot = hot,
			.frame = i,
			.data = ev->data + at,
			.fetch = (unsigned)(fetch - f->fetches),
			.server = ev->server,
		};

		if (at + hot->frames[i].stored_bytes > fetch->n_received)
			return;
		workers_push(f->workers, &job);
	}
}

/* A pack costs bytes at most: what it failed to bring is fetched when it is wanted. */
void fetch_hot_result(struct fetcher *f, const struct worker_result *r)
{
	char why[128];

	if (r->img_err == 0 && r->store_err == 0)
		return;
	hot_frame_failed(&f->hot, r->frame);
	snprintf(why, sizeof why, "frame %u: %s", r->frame,
		 r->img_err < 0 ? img_strerror(r->img_err) : strerror(-r->store_err));
	hot_abandon(&f->hot, why);
}
