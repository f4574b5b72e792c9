/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_present.c - chunks that a persistent store has from an earlier life; see chunkmap.h
 */
#include "map/chunkmap_internal.h"

void chunkmap_leave_present_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	if (!is_present(cm, ci))
		return;
	cm->marks[ci] &= (uint8_t) ~(STATE_MASK | MARK_CLAIMED);
	cm->n_present--;
}

bool chunkmap_awaits_check_locked(struct chunkmap *cm, const struct chunk_writer *w)
{
	uint64_t first_ci = w->first_block / cm->blocks_per_chunk;
	uint64_t last_ci = (w->end_block - 1) / cm->blocks_per_chunk;

	lock_assert_held(&cm->lock);
	if (cm->n_present == 0)
		return false;
	if (is_present(cm, first_ci) && (w->first_block > first_block_of(cm, first_ci) ||
					 w->end_block < end_block_of(cm, first_ci)))
		cm->urgent_ci = first_ci;
	else if (is_present(cm, last_ci) && w->end_block < end_block_of(cm, last_ci))
		cm->urgent_ci = last_ci;
	else
		return false;
	return true;
}

bool chunkmap_mark_present(struct chunkmap *cm, uint64_t ci)
{
	bool ok;

	chunkmap_enter(cm);
	ok = state_of(cm, ci) == CHUNK_ABSENT && !(cm->marks[ci] & MARK_CLAIMED);
	if (ok) {
		cm->marks[ci] |= STATE_PRESENT | MARK_CLAIMED;
		cm->n_present++;
	}
	chunkmap_leave(cm);
	return ok;
}

bool chunkmap_is_present(struct chunkmap *cm, uint64_t ci)
{
	bool present;

	chunkmap_enter(cm);
	present = is_present(cm, ci);
	chunkmap_leave(cm);
	return present;
}

/* A PRESENT chunk that a writer or a read waits for. */
static bool wanted_present_locked(struct chunkmap *cm, uint64_t *ret_ci)
{
	lock_assert_held(&cm->lock);
	if (cm->urgent_ci < cm->n_chunks && is_present(cm, cm->urgent_ci)) {
		*ret_ci = cm->urgent_ci;
		return true;
	}
	for (unsigned i = 0; cm->n_waiting && i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next)
			if (is_present(cm, w->ci)) {
				*ret_ci = w->ci;
				return true;
			}
	return false;
}

static uint64_t next_present_locked(struct chunkmap *cm, uint64_t from)
{
	uint64_t ci = from < cm->n_chunks ? from : 0;

	lock_assert_held(&cm->lock);
	assert(cm->n_present);
	while (!is_present(cm, ci))
		ci = ci + 1 < cm->n_chunks ? ci + 1 : 0;
	return ci;
}

bool chunkmap_check_begin(struct chunkmap *cm, uint64_t *cursor, uint64_t *ret_ci)
{
	bool found = false;
	uint64_t ci = 0;

	chunkmap_enter(cm);
	while (!found && cm->n_present) {
		if (!wanted_present_locked(cm, &ci)) {
			ci = next_present_locked(cm, *cursor);
			*cursor = ci + 1;
		}
		/* ABSENT from here on, and claimed by the check. */
		chunkmap_leave_present_locked(cm, ci);
		cm->marks[ci] |= MARK_CLAIMED;
		chunkmap_begin_storing_locked(cm, ci);
		found = state_of(cm, ci) == CHUNK_ABSENT;
		/* All of it was written meanwhile. */
		if (!found) {
			chunkmap_end_storing_locked(cm, ci);
			cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
		}
	}
	chunkmap_leave(cm);
	if (found)
		*ret_ci = ci;
	return found;
}

struct chunk_waiter *chunkmap_check_end(struct chunkmap *cm, uint64_t ci, bool ok)
{
	struct chunk_waiter *list = NULL;

	chunkmap_enter(cm);
	chunkmap_end_storing_locked(cm, ci);
	cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
	if (ok) {
		uint64_t before = chunkmap_clean_locked(cm, ci);

		chunkmap_make_ready_locked(cm, ci);
		chunkmap_note_clean_locked(cm, ci, before);
		list = chunkmap_take_waiters_locked(cm, ci, NULL);
	} else if (chunkmap_has_waiters_locked(cm, ci)) {
		chunkmap_demand_locked(cm, ci, false);
	}
	chunkmap_leave(cm);
	/* One more to fetch, or perhaps none any more. */
	cm->wake(cm->wake_ctx);
	return list;
}

void chunkmap_forget_present(struct chunkmap *cm)
{
	chunkmap_enter(cm);
	for (uint64_t ci = 0; cm->n_present && ci < cm->n_chunks; ci++) {
		if (!is_present(cm, ci))
			continue;
		chunkmap_leave_present_locked(cm, ci);
		if (chunkmap_has_waiters_locked(cm, ci))
			chunkmap_demand_locked(cm, ci, false);
	}
	PTHREAD_OK(pthread_cond_broadcast(&cm->storing_ended));
	chunkmap_leave(cm);
	cm->wake(cm->wake_ctx);
}
