/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_evict.c - chunks leave: what came from the image goes, what was written here
 * stays
 *
 * The state changes before the store does: from chunkmap_evict_begin on the blocks are
 * not valid, and who wants them has them fetched again.  While they are thrown away the
 * chunk is in `storing`, so nothing is stored into it or written to it until
 * chunkmap_evict_end.
 *
 * The clock counts uses, not time: it advances when another chunk is used than last, so
 * the stamps have the order of the last use of each chunk, and the oldest chunk is the
 * one that was used least recently.
 */
#include "map/chunkmap_internal.h"

/* Marks looked at with the lock held: about ten microseconds. */
#define SLICE_CHUNKS 8192u
/* Somebody is about to do something with it, or nothing would be gained. */
#define MARKS_THAT_KEEP (MARK_DEMANDED | MARK_CLAIMED | MARK_PROMISED | MARK_ZERO)

/* After four thousand million uses: halve all, which keeps the order but for neighbours. */
static void halve_stamps_locked(struct chunkmap *cm)
{
	lock_assert_held(&cm->lock);
	for (uint64_t ci = 0; ci < cm->n_chunks; ci++)
		if (state_of(cm, ci) != CHUNK_ABSENT)
			cm->stamps[ci] /= 2;
	cm->clock /= 2;
}

void chunkmap_touch_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	if (cm->stamps[ci] == cm->clock)
		return;
	if (cm->clock == UINT32_MAX)
		halve_stamps_locked(cm);
	cm->stamps[ci] = ++cm->clock;
}

static bool can_leave_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	return state_of(cm, ci) != CHUNK_ABSENT && !(cm->marks[ci] & MARKS_THAT_KEEP) &&
	       chunkmap_clean_locked(cm, ci) > 0;
}

bool chunkmap_ages(struct chunkmap *cm, uint64_t *from, struct chunk_age *ret,
		   unsigned max, unsigned *ret_n)
{
	uint64_t ci, end = min_u64(*from + SLICE_CHUNKS, cm->n_chunks);
	unsigned n = 0;

	chunkmap_enter(cm);
	for (ci = *from; ci < end && n < max; ci++)
		if (can_leave_locked(cm, ci))
			ret[n++] = (struct chunk_age){ci, cm->stamps[ci]};
	chunkmap_leave(cm);
	*from = ci;
	*ret_n = n;
	return ci < cm->n_chunks;
}

static bool has_reader_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (struct chunk_reader *r = cm->readers; r; r = r->next)
		if (r->first_ci <= ci && r->last_ci >= ci)
			return true;
	return false;
}

/*
 * MARK_PACKED of a PARTIAL chunk is taken away by chunkmap_evict_end only: until the
 * blocks have gone from the store, what is there is not what a chunk of zeros must read
 * as.
 */
static void make_leave_locked(struct chunkmap *cm, uint64_t ci)
{
	enum chunk_state state = CHUNK_ABSENT;

	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_READY) {
		cm->n_ready--;
		cm->ready_blocks -= end_block_of(cm, ci) - first_block_of(cm, ci);
		if (cm->marks[ci] & MARK_DIRTY)
			state = CHUNK_PARTIAL;
	} else {
		chunkmap_drop_packed_locked(cm, ci);
		if (chunkmap_any_locked(cm, cm->valid, ci))
			state = CHUNK_PARTIAL;
	}
	/*
	 * All of it before the store: a process that dies here leaves a chunk that is
	 * fetched again.
	 */
	chunkmap_set_marks_locked(cm, ci, (cm->marks[ci] & MARK_PACKED) | state);
}

bool chunkmap_evict_begin(struct chunkmap *cm, const struct chunk_age *age, uint8_t *kept)
{
	uint64_t ci = age->ci, before;
	bool ok;

	chunkmap_enter(cm);
	ok = cm->stamps[ci] == age->stamp && can_leave_locked(cm, ci) &&
	     !chunkmap_is_storing_locked(cm, ci, ci) && !has_reader_locked(cm, ci) &&
	     !chunkmap_has_writer_locked(cm, ci) && cm->n_storing < STORING_MAX;
	if (ok) {
		before = chunkmap_clean_locked(cm, ci);
		make_leave_locked(cm, ci);
		chunkmap_note_clean_locked(cm, ci, before);
		cm->storing[cm->n_storing++] = ci;
		chunkmap_copy_valid_locked(cm, ci, kept);
	}
	chunkmap_leave(cm);
	return ok;
}

void chunkmap_evict_end(struct chunkmap *cm, uint64_t ci, bool ok)
{
	chunkmap_enter(cm);
	chunkmap_end_storing_locked(cm, ci);
	if (ok)
		cm->marks[ci] &= (uint8_t)~MARK_PACKED;
	chunkmap_leave(cm);
}
