/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.c - see fill.h
 *
 * The rate is a token bucket a quarter of a second deep.  During a boot reads come in bursts with
 * gaps of some milliseconds; on a slow line, filling the gaps with large requests doubled the time
 * to login.  So after a read the fill has an eighth of the line, in small requests, and after
 * FILL_YIELD_MS without one it has all of it, in requests that grow with the silence.
 */
#include "engine/fill.h"

#define WINDOW_MS 250
/* A request is to keep the line busy no longer than this, or than a part of the silence. */
#define REQUEST_MS_MAX 500
#define SILENCE_PER_REQUEST 4
/* Until the line has shown what it carries. */
#define THROUGHPUT_GUESS (1024u * 1024)
/* What is ahead of a reader covers also the time that a request takes at the server and here. */
#define AHEAD_MS 20
#define GAP_BYTES_MAX (128u * 1024)

void fill_init(struct fill *f, uint64_t rate_bytes, int64_t now_ms)
{
	*f = (struct fill){
		.rate_bytes = rate_bytes,
		.last_ms = now_ms,
		.window_ms = now_ms,
		.demand_ms = now_ms - FILL_YIELD_MS,
		.share_ms = now_ms,
		.rtt_ms = -1,
	};
}

void fill_set_rate(struct fill *f, uint64_t rate_bytes, int64_t now_ms)
{
	if (f->rate_bytes == rate_bytes)
		return;
	f->rate_bytes = rate_bytes;
	f->tokens = 0;
	f->last_ms = now_ms;
}

static void refill(struct fill *f, int64_t now_ms)
{
	int64_t depth = (int64_t)(f->rate_bytes / 4) + 1;
	int64_t gained;

	/* After a pause of months the product may be too large: the bucket is full then. */
	if (checked_mul((int64_t)f->rate_bytes, now_ms - f->last_ms, &gained))
		gained /= 1000;
	else
		gained = INT64_MAX / 2;
	/* Too early for a whole byte: let the time add up. */
	if (gained == 0)
		return;
	f->tokens += gained;
	if (f->tokens > depth)
		f->tokens = depth;
	f->last_ms = now_ms;
}

static int64_t rate_delay_ms(struct fill *f, int64_t now_ms)
{
	if (f->rate_bytes == 0)
		return 0;
	refill(f, now_ms);
	if (f->tokens > 0)
		return 0;
	return (1 - f->tokens) * 1000 / (int64_t)f->rate_bytes + 10;
}

/* Until the silence is long enough, or the share has room: what comes first. */
static int64_t yield_delay_ms(const struct fill *f, int64_t now_ms)
{
	int64_t silence_left = f->demand_ms + FILL_YIELD_MS - now_ms;
	int64_t share_left = f->share_ms - now_ms;

	if (silence_left <= 0 || share_left <= 0)
		return 0;
	return silence_left < share_left ? silence_left : share_left;
}

int64_t fill_delay_ms(struct fill *f, int64_t now_ms)
{
	int64_t rate_ms = rate_delay_ms(f, now_ms);
	int64_t yield_ms = yield_delay_ms(f, now_ms);

	return rate_ms > yield_ms ? rate_ms : yield_ms;
}

void fill_sent(struct fill *f, uint32_t n_bytes, int64_t now_ms)
{
	uint64_t throughput = f->throughput ? f->throughput : THROUGHPUT_GUESS;

	if (f->rate_bytes)
		f->tokens -= n_bytes;
	f->share_ms = now_ms +
		      (int64_t)(UINT64_C(1000) * n_bytes * FILL_YIELD_SHARE / throughput);
}

void fill_demand(struct fill *f, int64_t now_ms)
{
	f->demand_ms = now_ms;
}

/* The best of late: a window in which little was asked for says little about the line. */
void fill_received(struct fill *f, uint64_t n_bytes, int64_t now_ms)
{
	int64_t elapsed = now_ms - f->window_ms;

	f->seen_bytes += n_bytes;
	if (elapsed < WINDOW_MS)
		return;
	f->throughput = max_u64(f->seen_bytes * 1000 / (uint64_t)elapsed,
				f->throughput - f->throughput / 8);
	f->seen_bytes = 0;
	f->window_ms = now_ms;
}

uint32_t fill_request_bytes(const struct fill *f, int64_t now_ms)
{
	uint64_t silence_ms =
		now_ms > f->demand_ms ? (uint64_t)(now_ms - f->demand_ms) : 0;
	uint64_t line_ms = min_u64(silence_ms / SILENCE_PER_REQUEST, REQUEST_MS_MAX);
	uint64_t per_second = f->throughput;
	uint64_t bytes;

	if (f->rate_bytes && (per_second == 0 || f->rate_bytes < per_second))
		per_second = f->rate_bytes;
	/* More than a request may have in a second makes no difference, and could overflow. */
	per_second = min_u64(per_second, UINT64_C(1) << 40);
	bytes = max_u64(per_second * line_ms / 1000, FILL_REQUEST_BYTES_MIN);
	return (uint32_t)min_u64(bytes, FILL_REQUEST_BYTES_MAX);
}

/* The best of late: a request that stood in line says little about the distance. */
void fill_answered(struct fill *f, int64_t elapsed_ms)
{
	if (f->rtt_ms < 0 || elapsed_ms < f->rtt_ms)
		f->rtt_ms = elapsed_ms;
	else
		f->rtt_ms += div_round_up((uint64_t)(elapsed_ms - f->rtt_ms), 32);
}

/*
 * Twice the bandwidth-delay product: with less the line would stand still while the next
 * request travels, with more a demand request would stand behind it.  Twice, so that a
 * line that could carry more shows it.
 */
uint32_t fill_ahead_bytes(const struct fill *f)
{
	uint64_t ms = f->rtt_ms < 0 ? 0 : min_u64((uint64_t)f->rtt_ms, 1000);
	uint64_t bytes =
		min_u64(f->throughput, UINT64_C(1) << 40) * (2 * ms + AHEAD_MS) / 1000;

	return (uint32_t)min_u64(max_u64(bytes, FILL_AHEAD_BYTES_MIN),
				 FILL_AHEAD_BYTES_MAX);
}

/* Half of what the line could carry while one more request travels. */
uint32_t fill_gap_bytes(const struct fill *f)
{
	uint64_t ms = f->rtt_ms < 0 ? 0 : min_u64((uint64_t)f->rtt_ms, 1000);

	return (uint32_t)min_u64(min_u64(f->throughput, UINT64_C(1) << 40) * ms / 2000,
				 GAP_BYTES_MAX);
}
