/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - what is asked for next, and who gets what comes back
 */
#include "engine/fetch_parts.h"

#include <assert.h>
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"

#define PARKED_MAX 65536u

/* In order no page is asked for twice. */
static unsigned n_pages_kept(const struct engine_config *config)
{
	const uint64_t n_pages = img_info(config->img)->n_pages;

	return config->in_order ? (unsigned)max_u64(PAGES_MAX, n_pages) : PAGES_MAX;
}

int fetcher_init(struct fetcher *f, const struct engine_config *config,
		 struct workers *workers)
{
	int err;

	*f = (struct fetcher){.config = *config, .workers = workers, .next_id = 1};
	hot_init(&f->hot, config);
	f->page_copy = malloc(IMG_PAGE_ENTRIES * IMG_PAGE_ENTRY_BYTES);
	err = f->page_copy ? 0 : -ENOMEM;
	if (err == 0)
		err = pages_new(config->img, n_pages_kept(config), &f->pages);
	if (err == 0)
		err = queue_init(&f->parked, PARKED_MAX);
	if (err == 0)
		err = ahead_new(img_info(config->img)->n_chunks,
				img_info(config->img)->chunk_bytes, &f->ahead);
	if (err < 0)
		fetcher_fini(f);
	return err;
}

void fetcher_fini(struct fetcher *f)
{
	free(steal_pointer(&f->page_copy));
	pages_free(steal_pointer(&f->pages));
	queue_fini(&f->parked);
	ahead_free(steal_pointer(&f->ahead));
	hot_fini(&f->hot);
}

struct fetch *fetch_free_slot(struct fetcher *f)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind == FETCH_NONE)
			return &f->fetches[i];
	return NULL;
}

bool fetch_send(struct fetcher *f, struct fetch *fetch, uint32_t avoid)
{
	struct source_request rq = {
		.id = fetch->id = f->next_id++,
		.src_off = fetch->src_off,
		.n_bytes = fetch->n_bytes,
		.class = fetch->class,
		.file = fetch->file,
		.may_end = fetch->may_end,
		.avoid = avoid,
	};

	fetch->sent_ms = f->now_ms;
	if (fetch->class == SOURCE_DEMAND)
		fill_demand(&f->fill, f->now_ms);
	return source_submit(f->config.source, &rq) == 0;
}

bool fetch_has_room(struct fetcher *f, enum source_class class)
{
	return fetch_free_slot(f) && source_room(f->config.source, class) > 0;
}

void fetch_end_if_done(struct fetcher *f, struct fetch *fetch)
{
	if (!fetch->is_done || fetch->n_results < fetch->n_chunks)
		return;
	source_release(f->config.source, fetch->id);
	fetch->kind = FETCH_NONE;
}

int64_t fetch_fill_pause_ms(struct fetcher *f)
{
	int64_t failed_ms = f->fill_not_before_ms - f->now_ms;
	int64_t hold_ms = f->fill_hold_ms - f->now_ms;
	int64_t left_ms = failed_ms > hold_ms ? failed_ms : hold_ms;

	return left_ms > 0 ? left_ms : fill_delay_ms(&f->fill, f->now_ms);
}

int64_t fetcher_submit(struct fetcher *f, int64_t now_ms)
{
	int64_t delay_ms;

	f->now_ms = now_ms;
	f->hot.everybody = source_servers(f->config.source);
	delay_ms = fetch_failed_retry(f, now_ms);
	if (now_ms < f->demand_not_before_ms)
		delay_ms = clock_sooner(delay_ms, f->demand_not_before_ms - now_ms);
	else
		while (fetch_has_room(f, SOURCE_DEMAND) && fetch_run_demand(f))
			;
	fetch_run_promote(f);
	if (fetch_order_is_on(f))
		return clock_sooner(delay_ms, fetch_order_submit(f));
	fetch_hot_promote(f);
	while (fetch_has_room(f, SOURCE_HOT) && fetch_hot_send(f))
		;
	if (fetch_hot_is_busy(f))
		return delay_ms;
	while (fetch_has_room(f, SOURCE_AHEAD) && fetch_run_ahead(f))
		;
	while (f->config.fill && !f->stats.is_paused && fetch_has_room(f, SOURCE_FILL)) {
		int64_t pause_ms = fetch_fill_pause_ms(f);

		if (pause_ms > 0)
			return clock_sooner(delay_ms, pause_ms);
		if (!fetch_run_fill(f))
			break;
	}
	return delay_ms;
}

void fetch_reject(struct fetcher *f, unsigned server, uint64_t src_off, int img_err,
		  const char *what)
{
	f->stats.n_rejected++;
	snprintf(f->stats.error, sizeof f->stats.error, "%s: refused: %s", what,
		 img_strerror(img_err));
	source_reject(f->config.source, server, src_off, f->stats.error);
}

void fetch_not_verified(struct fetcher *f, int img_err, const char *what)
{
	const bool is_news = f->stats.error[0] == '\0';

	snprintf(f->stats.error, sizeof f->stats.error,
		 "%s: not verified: this node failed: %s", what, img_strerror(img_err));
	if (is_news)
		log_error("%s: tried again later", f->stats.error);
}

static struct fetch *find_fetch(struct fetcher *f, uint64_t id)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind != FETCH_NONE && f->fetches[i].id == id)
			return &f->fetches[i];
	return NULL;
}

/* What has come of it so far goes where it is wanted. */
static void hand_on(struct fetcher *f, struct fetch *fetch, const struct source_event *ev,
		    int64_t now_ms)
{
	switch (fetch->kind) {
	case FETCH_CHUNKS:
		fetch_run_hand_out(f, fetch, ev);
		fetch_end_if_done(f, fetch);
		break;
	case FETCH_HOT_FRAMES:
		fetch_hot_hand_out(f, fetch, ev);
		fetch_end_if_done(f, fetch);
		break;
	case FETCH_HOT_HEAD:
	case FETCH_HOT_TABLE:
		if (fetch->is_done)
			fetch_hot_arrived(f, fetch, ev);
		break;
	case FETCH_PAGE:
		if (fetch->is_done)
			fetch_pages_arrived(f, fetch, ev, now_ms);
		break;
	case FETCH_NONE:
		break;
	}
}

void fetcher_event(struct fetcher *f, const struct source_event *ev, int64_t now_ms)
{
	struct fetch *fetch = find_fetch(f, ev->id);
	uint32_t n_new;

	f->now_ms = now_ms;
	assert(fetch && ev->n_bytes <= fetch->n_bytes &&
	       ev->n_bytes >= fetch->n_received);
	if (ev->kind == SOURCE_FAILED) {
		fetch_hot_lost(f, fetch, ev->why);
		return;
	}
	n_new = ev->n_bytes - fetch->n_received;
	if (fetch->n_received == 0)
		fill_answered(&f->fill, now_ms - fetch->sent_ms);
	fetch->n_received = ev->n_bytes;
	fetch->is_done = ev->kind == SOURCE_DONE;
	fill_received(&f->fill, n_new, now_ms);
	if (fetch->class == SOURCE_DEMAND) {
		fill_demand(&f->fill, now_ms);
		f->stats.demand_bytes += n_new;
	} else if (fetch->class == SOURCE_HOT) {
		f->stats.hot_bytes += n_new;
	} else if (fetch->class == SOURCE_AHEAD) {
		f->stats.ahead_bytes += n_new;
	} else {
		f->stats.fill_bytes += n_new;
	}
	hand_on(f, fetch, ev, now_ms);
}

void fetcher_result(struct fetcher *f, const struct worker_result *r, int64_t now_ms)
{
	struct fetch *fetch = &f->fetches[r->fetch];

	f->now_ms = now_ms;
	if (r->is_hot) {
		fetch_hot_result(f, r);
	} else if (r->img_err < 0) {
		fetch_failed_refused(f, r, now_ms);
	} else if (r->store_err < 0) {
		fetch_failed_not_stored(f, r, now_ms);
	} else {
		fetch_failed_forget(f, false, r->ci);
		if (fetch->class == SOURCE_DEMAND)
			f->stats.demand_chunks++;
	}
	fetch->n_results++;
	fetch_end_if_done(f, fetch);
}
