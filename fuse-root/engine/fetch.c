/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - see fetch.h
 */
#include "engine/fetch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"

#define PAGES_MAX 32u
#define PARKED_MAX 65536u
#define DEMAND_RUN_BYTES (1024u * 1024)
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 30000
#define STORE_RETRY_MS 5000

int fetcher_init(struct fetcher *f, const struct engine_config *config,
		 struct workers *workers)
{
	int err;

	*f = (struct fetcher){.config = *config, .workers = workers, .next_id = 1};
	hot_init(&f->hot, config->img, config->cm);
	f->page_copy = malloc(IMG_PAGE_ENTRIES * IMG_PAGE_ENTRY_BYTES);
	err = f->page_copy ? 0 : -ENOMEM;
	if (err == 0)
		err = pages_new(config->img, PAGES_MAX, &f->pages);
	if (err == 0)
		err = queue_init(&f->parked, PARKED_MAX);
	if (err < 0)
		fetcher_fini(f);
	return err;
}

void fetcher_fini(struct fetcher *f)
{
	free(steal_pointer(&f->page_copy));
	pages_free(steal_pointer(&f->pages));
	queue_fini(&f->parked);
	hot_fini(&f->hot);
}

/* -- index pages -------------------------------------------------------------------------- */

/* Zero chunks of a page need no fetch: they are READY as soon as the page says so. */
static void mark_zero_chunks(struct fetcher *f, const struct img_page *page)
{
	for (uint32_t i = 0; i < page->n_entries; i++)
		if (page->is_zero || page->zero[i])
			workers_resume(
				f->workers,
				chunkmap_mark_zero(f->config.cm,
						   page->page * IMG_PAGE_ENTRIES + i));
}

static int keep_page(struct fetcher *f, uint64_t page, const void *buf, size_t n_bytes)
{
	int err = pages_add(f->pages, page, buf, n_bytes);

	if (err == 0)
		mark_zero_chunks(f, pages_get(f->pages, page));
	return err;
}

/* The decoded page, also when it is a ZERO PAGE; NULL: it must be fetched from *ret_range. */
static const struct img_page *find_page(struct fetcher *f, uint64_t page,
					struct img_range *ret_range)
{
	const struct img_page *found = pages_get(f->pages, page);
	int err;

	if (found)
		return found;
	err = img_page_locate(f->config.img, page, ret_range);
	assert(err == 0);
	if (ret_range->n_bytes)
		return NULL;
	err = keep_page(f, page, NULL, 0);
	assert(err == 0);
	return pages_get(f->pages, page);
}

void fetcher_seed(struct fetcher *f, const uint8_t *first, size_t n_first)
{
	const struct img_info *info = img_info(f->config.img);

	hot_seed(&f->hot, first, n_first);
	for (uint64_t page = 0; page < info->n_pages && page < PAGES_MAX; page++) {
		struct img_range range;

		if (find_page(f, page, &range))
			continue;
		if (range.src_off + range.n_bytes > n_first)
			return;
		/* A bad page is fetched again when it is needed, and complained of then. */
		(void)!keep_page(f, page, first + range.src_off, range.n_bytes);
	}
}

/* -- sending ------------------------------------------------------------------------------ */

static struct fetch *free_fetch(struct fetcher *f)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind == FETCH_NONE)
			return &f->fetches[i];
	return NULL;
}

static struct failed *find_failed(struct fetcher *f, bool is_page, uint64_t index)
{
	for (unsigned i = 0; i < FAILED_MAX; i++) {
		struct failed *x = &f->failed[i];

		if (x->in_use && x->is_page == is_page && x->index == index)
			return x;
	}
	return NULL;
}

static void forget_failed(struct fetcher *f, bool is_page, uint64_t index)
{
	struct failed *x = find_failed(f, is_page, index);

	if (!x)
		return;
	x->in_use = false;
	f->stats.error[0] = '\0';
}

static bool send_fetch(struct fetcher *f, struct fetch *fetch, uint32_t avoid)
{
	struct source_request rq = {
		.id = fetch->id = f->next_id++,
		.src_off = fetch->src_off,
		.n_bytes = fetch->n_bytes,
		.class = fetch->class,
		.avoid = avoid,
	};

	if (fetch->class == SOURCE_DEMAND)
		fill_demand(&f->fill, f->now_ms);
	return source_submit(f->config.source, &rq) == 0;
}

static bool page_is_under_way(const struct fetcher *f, uint64_t page)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind == FETCH_PAGE && f->fetches[i].page == page)
			return true;
	return false;
}

/* Ask for an index page, unless that is done already or it failed just now. */
static bool send_page(struct fetcher *f, uint64_t page, const struct img_range *range,
		      enum source_class class)
{
	struct fetch *fetch = free_fetch(f);
	struct failed *x = find_failed(f, true, page);

	if (page_is_under_way(f, page) || (x && !x->is_under_way))
		return true;
	if (!fetch)
		return false;
	*fetch = (struct fetch){
		.kind = FETCH_PAGE,
		.class = class,
		.src_off = range->src_off,
		.n_bytes = (uint32_t)range->n_bytes,
		.page = page,
	};
	if (send_fetch(f, fetch, x ? x->avoid : 0))
		return true;
	fetch->kind = FETCH_NONE;
	return false;
}

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
static const struct fetch *send_run(struct fetcher *f, uint64_t ci,
				    const struct img_page *page, enum source_class class,
				    const struct failed *x)
{
	struct fetch *fetch = free_fetch(f);
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
	if (send_fetch(f, fetch, x ? x->avoid : 0))
		return fetch;
	for (unsigned i = 1; i < fetch->n_chunks; i++)
		chunkmap_unclaim(f->config.cm, fetch->chunks[i].ci);
	fetch->kind = FETCH_NONE;
	return NULL;
}

static void unpark(struct fetcher *f)
{
	uint64_t ci;

	/* Given back, they are demanded again at once, because reads wait for them. */
	while (queue_pop(&f->parked, &ci))
		chunkmap_unclaim(f->config.cm, ci);
}

/* -- what is sent next -------------------------------------------------------------------- */

static bool has_room(struct fetcher *f, enum source_class class)
{
	return free_fetch(f) && source_room(f->config.source, class) > 0;
}

/* One demanded chunk, or the index page that tells where it is.  False: nothing to send. */
static bool send_demand(struct fetcher *f)
{
	const struct img_page *page;
	struct img_range range;
	uint64_t ci;

	if (!chunkmap_next_demand(f->config.cm, &ci))
		return false;
	page = find_page(f, img_page_of(ci), &range);
	/* Loading the page may have made the chunk READY: a zero chunk. */
	if (!chunkmap_claim(f->config.cm, ci))
		return true;
	if (page && send_run(f, ci, page, SOURCE_DEMAND, NULL))
		return true;
	if (!page && queue_push(&f->parked, ci)) {
		if (send_page(f, img_page_of(ci), &range, SOURCE_DEMAND))
			return true;
		unpark(f);
		return false;
	}
	chunkmap_unclaim(f->config.cm, ci);
	return false;
}

/* A run of chunks that nobody asked for.  False: nothing to send, or not now. */
static bool send_fill(struct fetcher *f)
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
	page = find_page(f, img_page_of(ci), &range);
	if (!page) {
		send_page(f, img_page_of(ci), &range, SOURCE_FILL);
		return false;
	}
	f->fill_ci = ci + 1;
	if (!chunkmap_claim(f->config.cm, ci))
		return true;
	sent = send_run(f, ci, page, SOURCE_FILL, NULL);
	if (!sent) {
		chunkmap_unclaim(f->config.cm, ci);
		return false;
	}
	fill_sent(&f->fill, sent->n_bytes, f->now_ms);
	f->fill_ci = sent->chunks[sent->n_chunks - 1].ci + 1;
	return true;
}

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
	if (!send_fetch(f, fetch, 0))
		return false;
	f->hot.state = HOT_TABLE_SENT;
	return true;
}

static bool send_hot_frames(struct fetcher *f, struct fetch *fetch)
{
	struct hot_range range;

	if (!hot_skip(&f->hot))
		return false;
	range = hot_next(&f->hot, f->fill.throughput, FETCH_CHUNKS_MAX);
	*fetch = (struct fetch){
		.kind = FETCH_HOT_FRAMES,
		.class = SOURCE_HOT,
		.src_off = range.src_off,
		.n_bytes = range.n_bytes,
		.first_frame = range.first,
		.n_chunks = range.n,
	};
	if (!send_fetch(f, fetch, 0))
		return false;
	hot_sent(&f->hot, &range);
	return true;
}

/* The table of the hot pack, or its next frames.  False: nothing to send, or not now. */
static bool send_hot(struct fetcher *f)
{
	struct fetch *fetch = free_fetch(f);
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
static bool hot_is_busy(const struct fetcher *f)
{
	return f->hot.state != HOT_NONE || n_hot_fetches(f) > 0;
}

static bool send_failed_page(struct fetcher *f, struct failed *x)
{
	struct img_range range;
	int err = img_page_locate(f->config.img, x->index, &range);

	assert(err == 0);
	(void)err;
	x->is_under_way = true;
	if (send_page(f, x->index, &range, SOURCE_DEMAND))
		return true;
	x->is_under_way = false;
	return false;
}

static bool send_failed_chunk(struct fetcher *f, struct failed *x)
{
	const struct img_page *page;
	struct img_range range;

	if (chunkmap_state(f->config.cm, x->index) == CHUNK_READY) {
		/* It was written over meanwhile: nothing is left to fetch. */
		forget_failed(f, false, x->index);
		chunkmap_unclaim(f->config.cm, x->index);
		return true;
	}
	page = find_page(f, img_page_of(x->index), &range);
	if (!page)
		return send_page(f, img_page_of(x->index), &range, SOURCE_DEMAND);
	x->is_under_way = send_run(f, x->index, page, SOURCE_DEMAND, x) != NULL;
	return x->is_under_way;
}

/* Chunks of failed fetches whose time has come; returns the delay until the next one, or -1. */
static int64_t retry_failed(struct fetcher *f, int64_t now_ms)
{
	int64_t delay_ms = -1;

	for (unsigned i = 0; i < FAILED_MAX; i++) {
		struct failed *x = &f->failed[i];
		int64_t left = x->not_before_ms - now_ms;

		if (!x->in_use || x->is_under_way)
			continue;
		if (left <= 0 && has_room(f, SOURCE_DEMAND))
			(void)!(x->is_page ? send_failed_page(f, x)
					   : send_failed_chunk(f, x));
		if (left > 0 && (delay_ms < 0 || left < delay_ms))
			delay_ms = left;
	}
	return delay_ms;
}

/* A read waits for blocks that the hot pack is bringing. */
static bool hot_is_wanted(const struct fetcher *f, const struct fetch *fetch)
{
	for (unsigned i = fetch->n_handed; i < fetch->n_chunks; i++)
		if (hot_is_waited_for(&f->hot, fetch->first_frame + i))
			return true;
	return false;
}

static void promote_hot(struct fetcher *f)
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

/* A read has come to wait for a chunk that the fill asked for: it must not stand in line. */
static void promote_waited_for(struct fetcher *f)
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

/* How long until the fill may send its next request; 0: now. */
static int64_t fill_pause_ms(struct fetcher *f, int64_t now_ms)
{
	int64_t left_ms = f->fill_not_before_ms - now_ms;

	return left_ms > 0 ? left_ms : fill_delay_ms(&f->fill, now_ms);
}

/* Of two delays, -1 meaning none, the shorter. */
static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
	if (a_ms < 0 || b_ms < 0)
		return a_ms < 0 ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

int64_t fetcher_submit(struct fetcher *f, int64_t now_ms)
{
	int64_t delay_ms;

	f->now_ms = now_ms;
	delay_ms = retry_failed(f, now_ms);
	if (now_ms < f->demand_not_before_ms)
		delay_ms = sooner(delay_ms, f->demand_not_before_ms - now_ms);
	else
		while (has_room(f, SOURCE_DEMAND) && send_demand(f))
			;
	promote_waited_for(f);
	promote_hot(f);
	while (has_room(f, SOURCE_HOT) && send_hot(f))
		;
	if (hot_is_busy(f))
		return delay_ms;
	while (f->config.fill && !f->stats.is_paused && has_room(f, SOURCE_FILL)) {
		int64_t pause_ms = fill_pause_ms(f, now_ms);

		if (pause_ms > 0)
			return sooner(delay_ms, pause_ms);
		if (!send_fill(f))
			break;
	}
	return delay_ms;
}

/* -- what comes back ---------------------------------------------------------------------- */

/* False when there is no room to remember it: it is then tried again like any other, later. */
static bool remember_failed(struct fetcher *f, bool is_page, uint64_t index,
			    const uint32_t *bad_server, int64_t now_ms)
{
	struct failed *x = find_failed(f, is_page, index);
	uint32_t everybody = (uint32_t)((UINT64_C(1) << f->config.n_servers) - 1);
	int64_t delay_ms;

	for (unsigned i = 0; !x && i < FAILED_MAX; i++)
		if (!f->failed[i].in_use)
			x = &f->failed[i];
	if (!x) {
		f->demand_not_before_ms = now_ms + RETRY_FIRST_MS;
		f->fill_not_before_ms = now_ms + STORE_RETRY_MS;
		return false;
	}
	if (!x->in_use)
		*x = (struct failed){.in_use = true, .is_page = is_page, .index = index};
	x->is_under_way = false;
	x->n_tries++;
	if (!bad_server) {
		x->not_before_ms = now_ms + STORE_RETRY_MS;
		return true;
	}
	x->avoid |= UINT32_C(1) << *bad_server;
	x->not_before_ms = now_ms;
	if ((x->avoid & everybody) != everybody)
		return true;
	/* Nobody is left to ask: wait, then ask anybody. */
	delay_ms = RETRY_FIRST_MS << (x->n_tries < 6 ? x->n_tries - 1 : 5);
	x->not_before_ms = now_ms + (delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS);
	x->avoid = 0;
	return true;
}

static void reject(struct fetcher *f, unsigned server, uint64_t src_off, int img_err,
		   const char *what)
{
	f->stats.n_rejected++;
	snprintf(f->stats.error, sizeof f->stats.error, "%s: refused: %s", what,
		 img_strerror(img_err));
	source_reject(f->config.source, server, src_off, f->stats.error);
}

static void page_arrived(struct fetcher *f, struct fetch *fetch,
			 const struct source_event *ev, int64_t now_ms)
{
	char what[64];
	int err;

	memcpy(f->page_copy, ev->data, fetch->n_bytes);
	err = keep_page(f, fetch->page, f->page_copy, fetch->n_bytes);
	if (err < 0) {
		snprintf(what, sizeof what, "index page %" PRIu64, fetch->page);
		reject(f, ev->server, fetch->src_off, err, what);
		if (!remember_failed(f, true, fetch->page, &ev->server, now_ms))
			unpark(f);
	} else {
		forget_failed(f, true, fetch->page);
		unpark(f);
	}
	source_release(f->config.source, fetch->id);
	fetch->kind = FETCH_NONE;
}

static void hot_table_arrived(struct fetcher *f, struct fetch *fetch,
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

static void end_fetch_if_done(struct fetcher *f, struct fetch *fetch)
{
	if (!fetch->is_done || fetch->n_results < fetch->n_chunks)
		return;
	source_release(f->config.source, fetch->id);
	fetch->kind = FETCH_NONE;
}

static void hand_out(struct fetcher *f, struct fetch *fetch,
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

static void hand_out_frames(struct fetcher *f, struct fetch *fetch,
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

static struct fetch *find_fetch(struct fetcher *f, uint64_t id)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind != FETCH_NONE && f->fetches[i].id == id)
			return &f->fetches[i];
	return NULL;
}

void fetcher_event(struct fetcher *f, const struct source_event *ev, int64_t now_ms)
{
	struct fetch *fetch = find_fetch(f, ev->id);
	uint32_t n_new;

	assert(fetch && ev->n_bytes <= fetch->n_bytes &&
	       ev->n_bytes >= fetch->n_received);
	n_new = ev->n_bytes - fetch->n_received;
	fetch->n_received = ev->n_bytes;
	fetch->is_done = ev->kind == SOURCE_DONE;
	fill_received(&f->fill, n_new, now_ms);
	if (fetch->class == SOURCE_DEMAND) {
		fill_demand(&f->fill, now_ms);
		f->stats.demand_bytes += n_new;
	} else if (fetch->class == SOURCE_HOT) {
		f->stats.hot_bytes += n_new;
	} else {
		f->stats.fill_bytes += n_new;
	}
	if (fetch->kind == FETCH_CHUNKS) {
		hand_out(f, fetch, ev);
		end_fetch_if_done(f, fetch);
	} else if (fetch->kind == FETCH_HOT_FRAMES) {
		hand_out_frames(f, fetch, ev);
		end_fetch_if_done(f, fetch);
	} else if (fetch->is_done && fetch->kind == FETCH_HOT_TABLE) {
		hot_table_arrived(f, fetch, ev);
	} else if (fetch->is_done) {
		page_arrived(f, fetch, ev, now_ms);
	}
}

/* A pack costs bytes at most: what it failed to bring is fetched when it is wanted. */
static void hot_frame_done(struct fetcher *f, const struct worker_result *r)
{
	char why[128];

	if (r->img_err == 0 && r->store_err == 0)
		return;
	hot_frame_failed(&f->hot, r->frame);
	snprintf(why, sizeof why, "frame %u: %s", r->frame,
		 r->img_err < 0 ? img_strerror(r->img_err) : strerror(-r->store_err));
	hot_abandon(&f->hot, why);
}

static void chunk_refused(struct fetcher *f, const struct worker_result *r,
			  int64_t now_ms)
{
	char what[64];

	snprintf(what, sizeof what, "chunk %" PRIu64, r->ci);
	reject(f, r->server, r->src_off, r->img_err, what);
	if (!remember_failed(f, false, r->ci, &r->server, now_ms))
		chunkmap_unclaim(f->config.cm, r->ci);
}

static void chunk_not_stored(struct fetcher *f, const struct worker_result *r,
			     int64_t now_ms)
{
	char error[sizeof f->stats.error];

	snprintf(error, sizeof error, "chunk %" PRIu64 ": store: %s", r->ci,
		 strerror(-r->store_err));
	if (f->stats.error[0] == '\0')
		log_error("%s: tried again every %d s", error, STORE_RETRY_MS / 1000);
	/* A store that is full for one chunk is full for the next. */
	f->fill_not_before_ms = now_ms + STORE_RETRY_MS;
	/* store_end gave the claim back; it is held while the chunk is in `failed`. */
	if (!chunkmap_claim(f->config.cm, r->ci)) {
		/* Fetched again already, or written over. */
		if (chunkmap_state(f->config.cm, r->ci) == CHUNK_READY)
			forget_failed(f, false, r->ci);
		return;
	}
	memcpy(f->stats.error, error, sizeof error);
	if (!remember_failed(f, false, r->ci, NULL, now_ms))
		chunkmap_unclaim(f->config.cm, r->ci);
}

void fetcher_result(struct fetcher *f, const struct worker_result *r, int64_t now_ms)
{
	struct fetch *fetch = &f->fetches[r->fetch];

	if (r->is_hot) {
		hot_frame_done(f, r);
	} else if (r->img_err < 0) {
		chunk_refused(f, r, now_ms);
	} else if (r->store_err < 0) {
		chunk_not_stored(f, r, now_ms);
	} else {
		forget_failed(f, false, r->ci);
		if (fetch->class == SOURCE_DEMAND)
			f->stats.demand_chunks++;
	}
	fetch->n_results++;
	end_fetch_if_done(f, fetch);
}
