/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_parts.h - what the parts of the fetcher call of each other; for fetch*.c only
 *
 * fetch.c decides the order, fetch_order.c does in mode full, fetch_run.c asks for
 * chunks, fetch_hot.c for the hot pack, fetch_pages.c for index pages, and fetch_failed.c
 * again for what went wrong.  All of it runs in the engine thread.
 */
#ifndef ENGINE_FETCH_PARTS_H
#define ENGINE_FETCH_PARTS_H

#include "engine/fetch.h"

#define PAGES_MAX 32u

/* -- fetch.c -- */

/* A place in f->fetches, or NULL. */
struct fetch *fetch_free_slot(struct fetcher *f);
/* Is there a place for one more, here and at the source? */
bool fetch_has_room(struct fetcher *f, enum source_class class);
/* Hand it to the source, which avoids the servers of the mask if it can.  False: not now. */
bool fetch_send(struct fetcher *f, struct fetch *fetch, uint32_t avoid);
/* Give the source's memory back when no worker needs it any more. */
void fetch_end_if_done(struct fetcher *f, struct fetch *fetch);
/* Bytes of `what` did not verify: say so, and whose they were. */
void fetch_reject(struct fetcher *f, unsigned server, uint64_t src_off, int img_err,
		  const char *what);
/* `what` could not be looked at, which says nothing of the server: say so, once. */
void fetch_not_verified(struct fetcher *f, int img_err, const char *what);

/* How long until the fill may send its next request; 0: now. */
int64_t fetch_fill_pause_ms(struct fetcher *f);

/* -- fetch_order.c -- */

/* All of the file from front to back, and nothing else. */
bool fetch_order_is_on(const struct fetcher *f);
/*
 * Send what comes next, as far as there is room.  How long until more may be sent; -1:
 * after an event.
 */
int64_t fetch_order_submit(struct fetcher *f);

/* -- fetch_pages.c -- */

/* The decoded page, also when it is a ZERO PAGE; NULL: it must be fetched from *ret_range. */
const struct img_page *fetch_pages_find(struct fetcher *f, uint64_t page,
					struct img_range *ret_range);
/* Ask for an index page, unless that is done already or it failed just now.  False: no room. */
bool fetch_pages_send(struct fetcher *f, uint64_t page, const struct img_range *range,
		      enum source_class class);
/* Give back the chunks that were parked until a page came. */
void fetch_pages_unpark(struct fetcher *f);
void fetch_pages_arrived(struct fetcher *f, struct fetch *fetch,
			 const struct source_event *ev, int64_t now_ms);

/* -- fetch_run.c -- */

/* Ask for one claimed chunk that failed before.  False: no room. */
bool fetch_run_again(struct fetcher *f, uint64_t ci, const struct img_page *page,
		     uint32_t avoid);
/* One demanded chunk, or the index page that tells where it is.  False: nothing to send. */
bool fetch_run_demand(struct fetcher *f);
/* A run of chunks that a sequential reader will want soon.  False: nothing to send, or not now. */
bool fetch_run_ahead(struct fetcher *f);
/* A run of chunks that nobody asked for.  False: nothing to send, or not now. */
bool fetch_run_fill(struct fetcher *f);
/*
 * In order: the chunks from ci on, which is absent and whose index page is here.  False:
 * not now.
 */
bool fetch_run_from(struct fetcher *f, uint64_t ci);
/* A read has come to wait for a chunk that is on its way for another reason: hurry. */
void fetch_run_promote(struct fetcher *f);
/* Chunks whose bytes are all there go to the workers. */
void fetch_run_hand_out(struct fetcher *f, struct fetch *fetch,
			const struct source_event *ev);

/* -- fetch_failed.c -- */

/* What is known of the failures of a chunk or page; NULL: none. */
struct failed *fetch_failed_find(struct fetcher *f, bool is_page, uint64_t index);
void fetch_failed_forget(struct fetcher *f, bool is_page, uint64_t index);
/*
 * To be tried again: at once from another server than *bad_server, or later (NULL: not a
 * server's fault). False when there is no room to remember it: it is then tried again
 * like any other, later.
 */
bool fetch_failed_remember(struct fetcher *f, bool is_page, uint64_t index,
			   const uint32_t *bad_server, int64_t now_ms);
/* Send what failed and whose time has come; returns the delay until the next one, or -1. */
int64_t fetch_failed_retry(struct fetcher *f, int64_t now_ms);
/* A worker's result: the chunk did not verify, or the store did not take it. */
void fetch_failed_refused(struct fetcher *f, const struct worker_result *r,
			  int64_t now_ms);
void fetch_failed_not_stored(struct fetcher *f, const struct worker_result *r,
			     int64_t now_ms);

/* -- fetch_hot.c -- */

/* Head, table or next frames of the hot pack.  False: nothing to send, or not now. */
bool fetch_hot_send(struct fetcher *f);
/* The fill comes when the pack is there: until then the line is the boot's. */
bool fetch_hot_is_busy(const struct fetcher *f);
/* A read has come to wait for blocks that are on their way: hurry. */
void fetch_hot_promote(struct fetcher *f);
/* All of the head or the table is there. */
void fetch_hot_arrived(struct fetcher *f, struct fetch *fetch,
		       const struct source_event *ev);
/* Frames whose bytes are all there go to the workers. */
void fetch_hot_hand_out(struct fetcher *f, struct fetch *fetch,
			const struct source_event *ev);
/* SOURCE_FAILED: it will not come. */
void fetch_hot_lost(struct fetcher *f, struct fetch *fetch, const char *why);
/*
 * A worker's result: a pack costs bytes at most, what it failed to bring is fetched when
 * it is wanted.
 */
void fetch_hot_result(struct fetcher *f, const struct worker_result *r);

#endif
