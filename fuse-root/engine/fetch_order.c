/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_order.c - mode full: the whole file from front to back
 *
 * A server without ranges gives the file in one go, and what was passed over costs all of
 * it once more.  So the index comes first, which lies before the chunks, then the chunks
 * in the order of the file.  What was wrong or could not be stored is given back and
 * comes in the next pass: it never makes the transfer that is running start over.
 */
#include "engine/fetch_parts.h"

bool fetch_order_is_on(const struct fetcher *f)
{
	return f->config.in_order && f->config.fill;
}

/* Ask for the index pages that are missing.  True when all are here. */
static bool has_all_pages(struct fetcher *f)
{
	const uint64_t n_pages = img_info(f->config.img)->n_pages;
	struct img_range range;

	while (f->n_pages_there < n_pages &&
	       fetch_pages_find(f, f->n_pages_there, &range))
		f->n_pages_there++;
	for (uint64_t page = f->n_pages_there;
	     page < n_pages && fetch_has_room(f, SOURCE_FILL); page++)
		if (!fetch_pages_find(f, page, &range) &&
		    !fetch_pages_send(f, page, &range, SOURCE_FILL))
			break;
	return f->n_pages_there == n_pages;
}

static bool is_any_under_way(const struct fetcher *f)
{
	for (unsigned i = 0; i < FETCHES_MAX; i++)
		if (f->fetches[i].kind != FETCH_NONE)
			return true;
	return false;
}

/* Of this pass; chunks that failed and whose time has not come are left to the next. */
static bool next_of_pass(struct fetcher *f, uint64_t *ret_ci, int64_t *delay_ms)
{
	for (uint64_t ci = f->fill_ci; chunkmap_next_absent(f->config.cm, ci, &ci);
	     ci++) {
		const struct failed *x = fetch_failed_find(f, false, ci);
		const int64_t left_ms = x ? x->not_before_ms - f->now_ms : 0;

		if (left_ms <= 0) {
			*ret_ci = ci;
			return true;
		}
		if (*delay_ms < 0 || left_ms < *delay_ms)
			*delay_ms = left_ms;
	}
	return false;
}

/* False: nothing to send, or not before *delay_ms. */
static bool send_next(struct fetcher *f, int64_t *delay_ms)
{
	uint64_t ci;

	if (next_of_pass(f, &ci, delay_ms))
		return fetch_run_from(f, ci);
	/* The last ones may fail as well: one more pass for all of them. */
	if (f->fill_ci == 0 || is_any_under_way(f))
		return false;
	f->fill_ci = 0;
	return true;
}

int64_t fetch_order_submit(struct fetcher *f)
{
	int64_t delay_ms = -1;

	if (f->stats.is_paused || !has_all_pages(f))
		return -1;
	while (fetch_has_room(f, SOURCE_FILL)) {
		const int64_t pause_ms = fetch_fill_pause_ms(f);

		if (pause_ms > 0)
			return pause_ms;
		if (!send_next(f, &delay_ms))
			return delay_ms;
	}
	return -1;
}
