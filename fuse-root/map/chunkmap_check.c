/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_check.c - what holds whenever nobody has the lock
 *
 * Sanitized builds look at all of it each time the lock is given back; it is too slow for others.
 */
#include "map/chunkmap_internal.h"

#ifdef HYDROOT_CHECK
void chunkmap_check_locked(struct chunkmap *cm)
{
	uint64_t n_ready = 0, ready_blocks = 0, n_waiting = 0, clean_blocks = 0;
	uint64_t n_present = 0;

	lock_assert_held(&cm->lock);
	if (cm->n_chunks > 4096)
		return;
	for (uint64_t ci = 0; ci < cm->n_chunks; ci++) {
		uint64_t n_valid = 0, n = end_block_of(cm, ci) - first_block_of(cm, ci);
		bool is_ready = state_of(cm, ci) == CHUNK_READY;

		for (uint64_t b = first_block_of(cm, ci); b < end_block_of(cm, ci); b++) {
			n_valid += bit_is_set(cm->valid, b);
			assert(!bit_is_set(cm->packed, b) ||
			       (cm->marks[ci] & MARK_PACKED && bit_is_set(cm->valid, b)));
			assert(!bit_is_set(cm->promised, b) ||
			       cm->marks[ci] & MARK_PROMISED);
		}
		assert(state_of(cm, ci) <= CHUNK_READY);
		assert(!(cm->marks[ci] & (MARK_DIRTY | MARK_ZERO)) || is_ready);
		assert(!is_ready || !(cm->marks[ci] & MARK_DIRTY) == !n_valid);
		clean_blocks += chunkmap_clean_locked(cm, ci);
		assert(state_of(cm, ci) != CHUNK_ABSENT || n_valid == 0);
		assert(state_of(cm, ci) != CHUNK_PARTIAL || n_valid > 0);
		assert(state_of(cm, ci) != CHUNK_PARTIAL || n_valid < n ||
		       cm->marks[ci] & MARK_PACKED);
		if (is_ready) {
			n_ready++;
			ready_blocks += n;
		}
		n_present += is_present(cm, ci);
		assert(!is_present(cm, ci) || cm->marks[ci] & MARK_CLAIMED);
	}
	for (struct chunk_reader *r = cm->readers; r; r = r->next)
		for (uint64_t ci = r->first_ci; ci <= r->last_ci; ci++)
			assert(state_of(cm, ci) != CHUNK_ABSENT);
	for (unsigned i = 0; i < WAITER_BUCKETS; i++)
		for (struct chunk_waiter *w = cm->waiters[i]; w; w = w->next) {
			assert(state_of(cm, w->ci) != CHUNK_READY);
			n_waiting++;
		}
	assert(n_ready == cm->n_ready && ready_blocks == cm->ready_blocks);
	assert(n_waiting == cm->n_waiting && clean_blocks == cm->clean_blocks);
	assert(n_present == cm->n_present);
}
#else
void chunkmap_check_locked(struct chunkmap *cm)
{
	lock_assert_held(&cm->lock);
}
#endif
