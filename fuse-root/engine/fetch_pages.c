/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_pages.c - index pages: found, fetched, kept; demanded chunks wait for theirs in `parked`
 */
#include "engine/fetch_parts.h"

#include <assert.h>
#include <inttypes.h>

#include "base/log.h"

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
const struct img_page *fetch_pages_find(struct fetcher *f, uint64_t page,
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

		if (fetch_pages_find(f, page, &range))
			continue;
		if (range.src_off + range.n_bytes > n_first)
			return;
		/* A bad page is fetched again when it is needed, and complained of then. */
		(void)!keep_page(f, page, first + range.src_off, range.n_bytes);
	}
}

static bool page_is_under_way(const struct fetcher *f, uint64_t page)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind == FETCH_PAGE && f->fetches[i].page == page)
			return true;
	return false;
}

/* Ask for an index page, unless that is done already or it failed just now. */
bool fetch_pages_send(struct fetcher *f, uint64_t page, const struct img_range *range,
		      enum source_class class)
{
	struct fetch *fetch = fetch_free_slot(f);
	struct failed *x = fetch_failed_find(f, true, page);

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
	if (fetch_send(f, fetch, x ? x->avoid : 0))
		return true;
	fetch->kind = FETCH_NONE;
	return false;
}

void fetch_pages_unpark(struct fetcher *f)
{
	uint64_t ci;

	/* Given back, they are demanded again at once, because reads wait for them. */
	while (queue_pop(&f->parked, &ci))
		chunkmap_unclaim(f->config.cm, ci);
}

static void page_is_bad(struct fetcher *f, const struct fetch *fetch, unsigned server,
			int err, int64_t now_ms)
{
	const uint32_t bad_server = server;
	bool is_ours = img_err_is_ours(err);
	char what[64];

	snprintf(what, sizeof what, "index page %" PRIu64, fetch->page);
	if (is_ours)
		fetch_not_verified(f, err, what);
	else
		fetch_reject(f, server, fetch->src_off, err, what);
	if (!fetch_failed_remember(f, true, fetch->page, is_ours ? NULL : &bad_server,
				   now_ms))
		fetch_pages_unpark(f);
}

void fetch_pages_arrived(struct fetcher *f, struct fetch *fetch,
			 const struct source_event *ev, int64_t now_ms)
{
	int err;

	memcpy(f->page_copy, ev->data, fetch->n_bytes);
	err = keep_page(f, fetch->page, f->page_copy, fetch->n_bytes);
	if (err < 0) {
		page_is_bad(f, fetch, ev->server, err, now_ms);
	} else {
		fetch_failed_forget(f, true, fetch->page);
		fetch_pages_unpark(f);
	}
	source_release(f->config.source, fetch->id);
	fetch->kind = FETCH_NONE;
}
