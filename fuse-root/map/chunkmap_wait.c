/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_wait.c - readers of what is there, and those who wait for what is not
 *
 * A read that misses something waits in the bucket of the first chunk it misses, and
 * demands all that it misses and the hot pack has not promised.  Demand is a queue of
 * chunks, each in it once.
 */
#include "map/chunkmap_internal.h"

/* -- waiters and demand ------------------------------------------------------------------- */

static struct chunk_waiter **bucket_of(struct chunkmap *cm, uint64_t ci)
{
	return &cm->waiters[ci % WAITER_BUCKETS];
}

static void add_waiter_locked(struct chunkmap *cm, struct chunk_waiter *w)
{
	struct chunk_waiter **at = bucket_of(cm, w->ci);

	lock_assert_held(&cm->lock);
	while (*at)
		at = &(*at)->next;
	w->next = NULL;
	*at = w;
	cm->n_waiting++;
}

/* *at goes from its bucket to the front of `list`. */
static struct chunk_waiter *unlink_locked(struct chunkmap *cm, struct chunk_waiter **at,
					  struct chunk_waiter *list)
{
	struct chunk_waiter *w = *at;

	lock_assert_held(&cm->lock);
	*at = w->next;
	w->next = list;
	cm->n_waiting--;
	return w;
}

struct chunk_waiter *chunkmap_take_waiters_locked(struct chunkmap *cm, uint64_t ci,
						  struct chunk_waiter *list)
{
	struct chunk_waiter **at = bucket_of(cm, ci);

	lock_assert_held(&cm->lock);
	while (*at) {
		struct chunk_waiter *w = *at;

		if (w->ci != ci) {
			at = &w->next;
			continue;
		}
		list = unlink_locked(cm, at, list);
	}
	return list;
}

bool chunkmap_has_waiters_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (struct chunk_waiter *w = *bucket_of(cm, ci); w; w = w->next)
		if (w->ci == ci)
			return true;
	return false;
}

void chunkmap_demand_locked(struct chunkmap *cm, uint64_t ci, bool before_others)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY ||
	    cm->marks[ci] & (MARK_DEMANDED | MARK_CLAIMED))
		return;
	if (!(before_others ? queue_push_front(&cm->demand, ci)
			    : queue_push(&cm->demand, ci))) {
		cm->demand_overflowed = true;
		return;
	}
	cm->marks[ci] |= MARK_DEMANDED;
	cm->n_demanded++;
}

/* In an outage the queue can fill up with chunks that were written over since. */
static void demand_overflowed_locked(struct chunkmap *cm)
{
	lock_assert_held(&cm->lock);
	if (!cm->demand_overflowed || queue_length(&cm->demand))
		return;
	cm->demand_overflowed = false;
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next)
			chunkmap_demand_locked(cm, w->ci, false);
}

/* The part of [first, end) that lies in chunk ci is valid. */
static bool part_is_valid_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
				 uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY)
		return true;
	if (state_of(cm, ci) == CHUNK_ABSENT)
		return false;
	return chunkmap_all_valid_locked(cm, max_u64(first, first_block_of(cm, ci)),
					 min_u64(end, end_block_of(cm, ci)));
}

/* What is missing of [first, end) in chunk ci is on its way from the hot pack. */
static bool part_is_promised_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
				    uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & MARK_PROMISED))
		return false;
	first = max_u64(first, first_block_of(cm, ci));
	end = min_u64(end, end_block_of(cm, ci));
	for (uint64_t b = first; b < end; b++)
		if (!bit_is_set(cm->promised, b) &&
		    !(state_of(cm, ci) == CHUNK_PARTIAL && bit_is_set(cm->valid, b)))
			return false;
	return true;
}

/* -- readers ------------------------------------------------------------------------------ */

static bool range_is_valid_locked(struct chunkmap *cm, const struct chunk_reader *r,
				  uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	for (uint64_t ci = r->first_ci; ci <= r->last_ci; ci++)
		if (!part_is_valid_locked(cm, ci, first, end))
			return false;
	return true;
}

static void add_reader_locked(struct chunkmap *cm, struct chunk_reader *r)
{
	lock_assert_held(&cm->lock);
	for (uint64_t ci = r->first_ci; ci <= r->last_ci; ci++)
		chunkmap_touch_locked(cm, ci);
	r->next = cm->readers;
	cm->readers = r;
}

static void init_reader(const struct chunkmap *cm, struct chunk_reader *r, uint64_t first,
			uint64_t end)
{
	assert(first < end && end <= cm->n_blocks);
	r->first_ci = first / cm->blocks_per_chunk;
	r->last_ci = (end - 1) / cm->blocks_per_chunk;
}

bool chunkmap_read_begin(struct chunkmap *cm, struct chunk_reader *r, uint64_t img_off,
			 uint64_t n_bytes)
{
	uint64_t first = img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(img_off + n_bytes, BLOCK_BYTES);
	bool valid;

	init_reader(cm, r, first, end);
	chunkmap_enter(cm);
	valid = range_is_valid_locked(cm, r, first, end);
	if (valid)
		add_reader_locked(cm, r);
	chunkmap_leave(cm);
	return valid;
}

void chunkmap_read_end(struct chunkmap *cm, struct chunk_reader *r)
{
	struct chunk_reader **at = &cm->readers;

	chunkmap_enter(cm);
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	chunkmap_leave(cm);
}

/*
 * Demand what a read misses and nobody has promised; is_urgent: before what others have
 * demanded.  Returns the first chunk that it misses.
 */
static uint64_t demand_missing_locked(struct chunkmap *cm, struct chunk_waiter *w,
				      bool is_urgent)
{
	uint64_t first = w->img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(w->img_off + w->n_bytes, BLOCK_BYTES);
	uint64_t missing = UINT64_MAX;

	lock_assert_held(&cm->lock);
	for (uint64_t ci = w->reader.first_ci; ci <= w->reader.last_ci; ci++) {
		if (part_is_valid_locked(cm, ci, first, end)) {
			chunkmap_touch_locked(cm, ci);
			continue;
		}
		if (missing == UINT64_MAX)
			missing = ci;
		if (part_is_promised_locked(cm, ci, first, end))
			continue;
		w->is_demand = true;
		chunkmap_demand_locked(cm, ci, is_urgent);
	}
	return missing;
}

/*
 * Something is missing: wait for the first chunk of it, demand all of it.  A read that
 * has waited before goes before others: else, where the store holds less than what is
 * waited for, the chunks of a read could leave in turn and never be there together.
 */
static void wait_locked(struct chunkmap *cm, struct chunk_waiter *w)
{
	lock_assert_held(&cm->lock);
	w->ci = demand_missing_locked(cm, w, w->has_waited);
	w->has_waited = true;
	add_waiter_locked(cm, w);
}

bool chunkmap_want(struct chunkmap *cm, struct chunk_waiter *w)
{
	uint64_t first = w->img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(w->img_off + w->n_bytes, BLOCK_BYTES);
	bool valid;

	init_reader(cm, &w->reader, first, end);
	chunkmap_enter(cm);
	valid = range_is_valid_locked(cm, &w->reader, first, end);
	if (valid)
		add_reader_locked(cm, &w->reader);
	else
		wait_locked(cm, w);
	chunkmap_leave(cm);
	if (!valid)
		cm->wake(cm->wake_ctx);
	return valid;
}

bool chunkmap_is_valid(struct chunkmap *cm, uint64_t img_off, uint64_t n_bytes)
{
	uint64_t first = img_off / BLOCK_BYTES;
	uint64_t end = div_round_up(img_off + n_bytes, BLOCK_BYTES);
	bool valid = true;

	chunkmap_enter(cm);
	for (uint64_t ci = first / cm->blocks_per_chunk;
	     valid && ci <= (end - 1) / cm->blocks_per_chunk; ci++)
		valid = part_is_valid_locked(cm, ci, first, end);
	chunkmap_leave(cm);
	return valid;
}

bool chunkmap_next_demand(struct chunkmap *cm, uint64_t *ret_ci)
{
	bool found = false;
	uint64_t ci = 0;

	chunkmap_enter(cm);
	while (!found && queue_pop(&cm->demand, &ci)) {
		cm->marks[ci] &= (uint8_t)~MARK_DEMANDED;
		cm->n_demanded--;
		found = is_fetchable(cm, ci);
		demand_overflowed_locked(cm);
	}
	chunkmap_leave(cm);
	if (found)
		*ret_ci = ci;
	return found;
}

bool chunkmap_is_demanded(struct chunkmap *cm, uint64_t ci)
{
	bool demanded;

	chunkmap_enter(cm);
	demanded = ci < cm->n_chunks && cm->marks[ci] & MARK_DEMANDED &&
		   is_fetchable(cm, ci);
	chunkmap_leave(cm);
	return demanded;
}

bool chunkmap_has_waiters(struct chunkmap *cm, uint64_t ci)
{
	bool has;

	chunkmap_enter(cm);
	has = chunkmap_has_waiters_locked(cm, ci);
	chunkmap_leave(cm);
	return has;
}

bool chunkmap_next_absent(struct chunkmap *cm, uint64_t from, uint64_t *ret_ci)
{
	uint64_t ci;

	chunkmap_enter(cm);
	for (ci = from; ci < cm->n_chunks; ci++)
		if (is_fetchable(cm, ci))
			break;
	chunkmap_leave(cm);
	if (ci >= cm->n_chunks)
		return false;
	*ret_ci = ci;
	return true;
}

/* -- reads that waited too long ------------------------------------------------------------ */

/* Only what somebody still waits for stays demanded. */
static void demand_anew_locked(struct chunkmap *cm)
{
	uint64_t ci;

	lock_assert_held(&cm->lock);
	while (queue_pop(&cm->demand, &ci))
		cm->marks[ci] &= (uint8_t)~MARK_DEMANDED;
	cm->n_demanded = 0;
	cm->demand_overflowed = false;
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next)
			(void)demand_missing_locked(cm, w, false);
}

/* Those of one bucket, in front of `list`; *oldest_ns: when the oldest that stays began. */
static struct chunk_waiter *take_older_locked(struct chunkmap *cm,
					      struct chunk_waiter **at, int64_t before_ns,
					      int64_t *oldest_ns,
					      struct chunk_waiter *list)
{
	lock_assert_held(&cm->lock);
	while (*at) {
		struct chunk_waiter *w = *at;

		if (w->since_ns > before_ns) {
			if (w->since_ns < *oldest_ns)
				*oldest_ns = w->since_ns;
			at = &w->next;
			continue;
		}
		list = unlink_locked(cm, at, list);
	}
	return list;
}

struct chunk_waiter *chunkmap_take_older(struct chunkmap *cm, int64_t before_ns,
					 int64_t *ret_oldest_ns)
{
	struct chunk_waiter *list = NULL;

	*ret_oldest_ns = INT64_MAX;
	chunkmap_enter(cm);
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		list = take_older_locked(cm, &cm->waiters[i], before_ns, ret_oldest_ns,
					 list);
	if (list)
		demand_anew_locked(cm);
	chunkmap_leave(cm);
	return list;
}
