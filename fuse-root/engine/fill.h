/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.h - how much the background fill may fetch now, and what the line carries
 *
 * The rate cap, the size of a request, and standing back while reads wait: what a fill request has
 * under way shares the line with the demand that comes after it.  Pure arithmetic over a clock
 * that is passed in.
 */
#ifndef ENGINE_FILL_H
#define ENGINE_FILL_H

#include <stdint.h>

#include "imgfmt/base.h"

#define FILL_REQUEST_BYTES_MAX (2u * 1024 * 1024)
#define FILL_REQUEST_BYTES_MIN (256u * 1024)
/* For so long after the last demand the fill keeps to its share of the line. */
#define FILL_YIELD_MS 300
#define FILL_YIELD_SHARE 8
#define FILL_AHEAD_BYTES_MAX (4u * 1024 * 1024)
#define FILL_AHEAD_BYTES_MIN (256u * 1024)

struct fill {
	uint64_t rate_bytes; /* per second, 0: no limit */
	int64_t tokens; /* bytes that may be asked for; below zero after a large one */
	int64_t last_ms;
	int64_t demand_ms; /* when demand was last sent or received */
	int64_t share_ms; /* when the share has room for another request */
	uint64_t seen_bytes; /* received since window_ms */
	int64_t window_ms;
	uint64_t throughput; /* bytes per second that the line has shown, 0: not known */
	int64_t rtt_ms; /* from a request to its first bytes, at best; -1: not known */
};

void fill_init(struct fill *f, uint64_t rate_bytes, int64_t now_ms);
/* Another limit from now on; what an earlier one left to wait for counts no more. */
void fill_set_rate(struct fill *f, uint64_t rate_bytes, int64_t now_ms);
/* How long until a request may be sent; 0: now. */
int64_t fill_delay_ms(struct fill *f, int64_t now_ms);
/* A request for n_bytes was sent. */
void fill_sent(struct fill *f, uint32_t n_bytes, int64_t now_ms);
/* A read had to be fetched for. */
void fill_demand(struct fill *f, int64_t now_ms);
/* n_bytes of any class arrived. */
void fill_received(struct fill *f, uint64_t n_bytes, int64_t now_ms);
/* A request's first bytes came so long after it was sent. */
void fill_answered(struct fill *f, int64_t elapsed_ms);
/* How much may be under way ahead of sequential readers: what keeps the line busy, hardly more. */
uint32_t fill_ahead_bytes(const struct fill *f);
/* A hole of so many bytes between two wanted chunks is cheaper fetched than stepped over. */
uint32_t fill_gap_bytes(const struct fill *f);
/* How large a request may be: the longer no read had to be fetched for, the larger. */
uint32_t fill_request_bytes(const struct fill *f, int64_t now_ms);

#endif
