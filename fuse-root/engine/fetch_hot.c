/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_hot.c - the hot pack: its head when it lies beside the image, its table, its frames
 */
#include "engine/fetch_parts.h"

#include <inttypes.h>

static bool is_hot(const struct fetch *fetch)
{
	return fetch->kind == FETCH_HOT_HEAD || fetch->kind == FETCH_HOT_TABLE ||
	       fetch->kind == FETCH_HOT_FRAMES;
}

static unsigned n_hot_fetches(const struct fetcher *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FETCHES_MAX; i++)
		n += is_hot(&f->fetches[i]);
	return n;
}

/* -- sending ------------------------------------------------------------------------------ */

static bool send_head(struct fetcher *f, struct fetch *fetch)
{
	*fetch = (struct fetch){
		.kind = FETCH_HOT_HEAD,
		.class = SOURCE_HOT,
		.file = SOURCE_PACK,
		.n_bytes = HOT_HEAD_BYTES,
		.may_end = true,
	};
	if (!fetch_send(f, fetch, 0))
		return false;
	f->hot.state = HOT_HEAD_SENT;
	return true;
}

static bool send_table(struct fetcher *f, struct fetch *fetch)
{
	struct img_range range = hot_table_range(&f->hot);

	*fetch = (struct fetch){
		.kind = FETCH_HOT_TABLE,
		.class = SOURCE_HOT,
		.file = f->hot.file,
		.src_off = range.src_off,
		.n_bytes = (uint32_t)range.n_bytes,
	};
	if (!fetch_send(f, fetch, f->hot.table_avoid))
		return false;
	f->hot.state = HOT_TABLE_SENT;
	return true;
}

static bool send_frames(struct fetcher *f, struct fetch *fetch,
			const struct hot_range *range, uint32_t avoid)
{
	*fetch = (struct fetch){
		.kind = FETCH_HOT_FRAMES,
		.class = SOURCE_HOT,
		.file = f->hot.file,
		.hot = f->hot.table,
		.src_off = range->src_off,
		.n_bytes = range->n_bytes,
		.first_frame = range->first,
		.n_chunks = range->n,
	};
	return fetch_send(f, fetch, avoid);
}

static bool send_next_frames(struct fetcher *f, struct fetch *fetch)
{
	struct hot_range range;

	if (!hot_skip(&f->hot))
		return false;
	range = hot_next(&f->hot, f->fill.throughput, FETCH_CHUNKS_MAX);
	if (!send_frames(f, fetch, &range, 0))
		return false;
	hot_sent(&f->hot, &range);
	return true;
}

static bool send_again(struct fetcher *f, struct fetch *fetch, struct hot_again *x)
{
	const struct img_hot_frame *frame = &f->hot.table->frames[x->frame];
	const struct hot_range range = {
		.first = x->frame,
		.n = 1,
		.src_off = f->hot.hot_off + frame->hot_off,
		.n_bytes = frame->stored_bytes,
	};

	x->is_under_way = send_frames(f, fetch, &range, x->avoid);
	return x->is_under_way;
}

bool fetch_hot_send(struct fetcher *f)
{
	struct fetch *fetch = fetch_free_slot(f);
	struct hot_again *x = hot_next_again(&f->hot);
	bool is_sent = false;

	if (f->hot.state == HOT_HEAD)
		is_sent = send_head(f, fetch);
	else if (f->hot.state == HOT_TABLE)
		is_sent = send_table(f, fetch);
	else if (n_hot_fetches(f) >= HOT_FETCHES_MAX)
		return false;
	else if (x)
		is_sent = send_again(f, fetch, x);
	else if (f->hot.state == HOT_FRAMES)
		is_sent = send_next_frames(f, fetch);
	else
		return false;
	if (!is_sent)
		fetch->kind = FETCH_NONE;
	return is_sent;
}

bool fetch_hot_is_busy(const struct fetcher *f)
{
	return f->hot.state != HOT_NONE || n_hot_fetches(f) > 0;
}

/* A read waits for blocks that the hot pack is bringing. */
static bool is_wanted(const struct fetcher *f, const struct fetch *fetch)
{
	for (unsigned i = fetch->n_handed; i < fetch->n_chunks; i++)
		if (hot_is_waited_for(&f->hot, fetch->hot, fetch->first_frame + i))
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
		    fetch->is_done || !is_wanted(f, fetch))
			continue;
		fetch->is_promoted = true;
		source_promote(f->config.source, fetch->id);
	}
}

/* -- what comes back ---------------------------------------------------------------------- */

/* As with frames: it is an error of the server. */
static void take_table(struct fetcher *f, const void *table,
		       const struct source_event *ev)
{
	const uint64_t src_off = f->hot.hot_off;
	int err = hot_take_table(&f->hot, table, ev->n_bytes, ev->server);
	char what[160];

	if (err == 0)
		return;
	snprintf(what, sizeof what, "table of the hot pack at offset %" PRIu64 ": %s",
		 src_off, img_strerror(err));
	source_reject(f->config.source, ev->server, src_off, what);
}

void fetch_hot_arrived(struct fetcher *f, struct fetch *fetch,
		       const struct source_event *ev)
{
	cleanup_free uint8_t *copy = malloc(ev->n_bytes);

	if (copy)
		memcpy(copy, ev->data, ev->n_bytes);
	if (!copy)
		hot_abandon(&f->hot, "out of memory");
	else if (fetch->kind == FETCH_HOT_HEAD)
		hot_take_head(&f->hot, copy, ev->n_bytes);
	else
		take_table(f, copy, ev);
	source_release(f->config.source, fetch->id);
	fetch->kind = FETCH_NONE;
}

void fetch_hot_hand_out(struct fetcher *f, struct fetch *fetch,
			const struct source_event *ev)
{
	const struct img_hot *hot = fetch->hot;
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

/* The pack beside the image cannot be had.  Of several requests the first one is complained of. */
void fetch_hot_lost(struct fetcher *f, struct fetch *fetch, const char *why)
{
	bool is_in_use = f->hot.file == SOURCE_PACK &&
			 (fetch->kind != FETCH_HOT_FRAMES || fetch->hot == f->hot.table);
	char text[256];

	for (unsigned i = fetch->n_handed; i < fetch->n_chunks; i++)
		hot_frame_failed(&f->hot, fetch->hot, fetch->first_frame + i);
	fetch->n_chunks = fetch->n_handed;
	fetch->is_done = true;
	snprintf(text, sizeof text, "%s", why);
	if (is_in_use)
		hot_abandon(&f->hot, text);
	fetch_end_if_done(f, fetch);
}

/* An error of the server of the image, whether or not another one has it right. */
static void reject_frame(struct fetcher *f, const struct fetch *fetch,
			 const struct worker_result *r)
{
	const uint64_t src_off = f->hot.hot_off + fetch->hot->frames[r->frame].hot_off;
	char what[160];

	snprintf(what, sizeof what,
		 "frame %" PRIu32 " of the hot pack at offset %" PRIu64 ": %s", r->frame,
		 src_off, img_strerror(r->img_err));
	source_reject(f->config.source, r->server, src_off, what);
}

static void frame_refused(struct fetcher *f, const struct fetch *fetch,
			  const struct worker_result *r)
{
	if (fetch->file == SOURCE_IMAGE)
		reject_frame(f, fetch, r);
	hot_frame_refused(&f->hot, fetch->hot, r->frame, r->server, r->img_err);
}

void fetch_hot_result(struct fetcher *f, const struct worker_result *r)
{
	const struct fetch *fetch = &f->fetches[r->fetch];
	const bool is_ours = img_err_is_ours(r->img_err);
	char why[160];

	if (r->img_err < 0 && !is_ours) {
		frame_refused(f, fetch, r);
	} else if (is_ours || r->store_err < 0) {
		hot_frame_done(&f->hot, fetch->hot, r->frame);
		hot_frame_failed(&f->hot, fetch->hot, r->frame);
		snprintf(why, sizeof why, "frame %" PRIu32 ": %s", r->frame,
			 is_ours ? img_strerror(r->img_err) : strerror(-r->store_err));
		if (fetch->hot == f->hot.table)
			hot_abandon(&f->hot, why);
	} else {
		hot_frame_done(&f->hot, fetch->hot, r->frame);
	}
}
