/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_failed.c - chunks and index pages whose bytes were wrong or could not be stored
 */
#include "engine/fetch_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 30000
/* What failed here and not at a server: the store, memory, a library. */
#define OWN_RETRY_MS 5000

struct failed *fetch_failed_find(struct fetcher *f, bool is_page, uint64_t index)
{
	for (unsigned i = 0; i < FAILED_MAX; i++) {
		struct failed *x = &f->failed[i];

		if (x->in_use && x->is_page == is_page && x->index == index)
			return x;
	}
	return NULL;
}

void fetch_failed_forget(struct fetcher *f, bool is_page, uint64_t index)
{
	struct failed *x = fetch_failed_find(f, is_page, index);

	if (!x)
		return;
	x->in_use = false;
	f->stats.error[0] = '\0';
}

/* False when there is no room to remember it: it is then tried again like any other, later. */
bool fetch_failed_remember(struct fetcher *f, bool is_page, uint64_t index,
			   const uint32_t *bad_server, int64_t now_ms)
{
	struct failed *x = fetch_failed_find(f, is_page, index);
	const uint32_t everybody = source_servers(f->config.source);
	int64_t delay_ms;

	for (unsigned i = 0; !x && i < FAILED_MAX; i++)
		if (!f->failed[i].in_use)
			x = &f->failed[i];
	if (!x) {
		f->demand_not_before_ms = now_ms + RETRY_FIRST_MS;
		f->fill_not_before_ms = now_ms + OWN_RETRY_MS;
		return false;
	}
	if (!x->in_use)
		*x = (struct failed){.in_use = true, .is_page = is_page, .index = index};
	x->is_under_way = false;
	x->n_tries++;
	if (!bad_server) {
		x->not_before_ms = now_ms + OWN_RETRY_MS;
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

static bool send_failed_page(struct fetcher *f, struct failed *x)
{
	struct img_range range;
	int err = img_page_locate(f->config.img, x->index, &range);

	assert(err == 0);
	(void)err;
	x->is_under_way = true;
	if (fetch_pages_send(f, x->index, &range, SOURCE_DEMAND))
		return true;
	x->is_under_way = false;
	return false;
}

static bool send_failed_chunk(struct fetcher *f, struct failed *x)
{
	const struct img_page *page;
	struct img_range range;

	if (x->is_given_back) {
		x->in_use = chunkmap_claim(f->config.cm, x->index);
		x->is_given_back = false;
		if (!x->in_use) {
			f->stats.error[0] = '\0';
			return true;
		}
	}
	if (chunkmap_state(f->config.cm, x->index) == CHUNK_READY) {
		/* It was written over meanwhile: nothing is left to fetch. */
		fetch_failed_forget(f, false, x->index);
		chunkmap_unclaim(f->config.cm, x->index);
		return true;
	}
	page = fetch_pages_find(f, img_page_of(x->index), &range);
	if (!page)
		return fetch_pages_send(f, img_page_of(x->index), &range, SOURCE_DEMAND);
	x->is_under_way = fetch_run_again(f, x->index, page, x->avoid);
	return x->is_under_way;
}

/* Chunks of failed fetches whose time has come; returns the delay until the next one, or -1. */
int64_t fetch_failed_retry(struct fetcher *f, int64_t now_ms)
{
	int64_t delay_ms = -1;

	for (unsigned i = 0; i < FAILED_MAX; i++) {
		struct failed *x = &f->failed[i];
		int64_t left = x->not_before_ms - now_ms;

		if (!x->in_use || x->is_under_way)
			continue;
		/* fetch_order.c comes to it. */
		if (x->is_given_back && fetch_order_is_on(f))
			continue;
		if (left <= 0 && fetch_has_room(f, SOURCE_DEMAND))
			(void)!(x->is_page ? send_failed_page(f, x)
					   : send_failed_chunk(f, x));
		if (left > 0 && (delay_ms < 0 || left < delay_ms))
			delay_ms = left;
	}
	return delay_ms;
}

/* In order nothing goes before its turn; true: it is to be unclaimed, its entry stays. */
static bool give_back(struct fetcher *f, uint64_t ci)
{
	struct failed *x = fetch_failed_find(f, false, ci);

	if (!x || !fetch_order_is_on(f))
		return false;
	x->is_given_back = true;
	return true;
}

void fetch_failed_refused(struct fetcher *f, const struct worker_result *r,
			  int64_t now_ms)
{
	const bool is_ours = img_err_is_ours(r->img_err);
	char what[64];

	snprintf(what, sizeof what, "chunk %" PRIu64, r->ci);
	if (is_ours) {
		fetch_not_verified(f, r->img_err, what);
		/* Memory that is short for one chunk is short for the next. */
		f->fill_not_before_ms = now_ms + OWN_RETRY_MS;
	} else {
		fetch_reject(f, r->server, r->src_off, r->img_err, what);
	}
	if (!fetch_failed_remember(f, false, r->ci, is_ours ? NULL : &r->server,
				   now_ms) ||
	    give_back(f, r->ci))
		chunkmap_unclaim(f->config.cm, r->ci);
}

void fetch_failed_not_stored(struct fetcher *f, const struct worker_result *r,
			     int64_t now_ms)
{
	char error[sizeof f->stats.error];

	snprintf(error, sizeof error, "chunk %" PRIu64 ": store: %s", r->ci,
		 strerror(-r->store_err));
	if (f->stats.error[0] == '\0')
		log_error("%s: tried again every %d s", error, OWN_RETRY_MS / 1000);
	/* A store that is full for one chunk is full for the next. */
	f->fill_not_before_ms = now_ms + OWN_RETRY_MS;
	/* chunkmap_store_end gave the claim back; it is held while the chunk is in `failed`. */
	if (!chunkmap_claim(f->config.cm, r->ci)) {
		/* Fetched again already, or written over. */
		if (chunkmap_state(f->config.cm, r->ci) == CHUNK_READY)
			fetch_failed_forget(f, false, r->ci);
		return;
	}
	memcpy(f->stats.error, error, sizeof error);
	if (!fetch_failed_remember(f, false, r->ci, NULL, now_ms) || give_back(f, r->ci))
		chunkmap_unclaim(f->config.cm, r->ci);
}
