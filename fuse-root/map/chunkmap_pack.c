/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_pack.c - blocks that the hot pack brings, and its promises; see chunkmap.h
 */
#include "map/chunkmap_internal.h"

/* Demand ci again for those who relied on the promise. */
static bool unpromise_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
			     uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & MARK_PROMISED))
		return false;
	chunkmap_clear_locked(cm, cm->promised, MARK_PROMISED, ci, first, end);
	if (!chunkmap_has_waiters_locked(cm, ci))
		return false;
	chunkmap_demand_locked(cm, ci, false);
	return true;
}

void chunkmap_promise(struct chunkmap *cm, uint64_t ci, uint32_t first, uint32_t n)
{
	uint64_t start = first_block_of(cm, ci) + first;

	chunkmap_enter(cm);
	assert(n && start + n <= end_block_of(cm, ci));
	if (state_of(cm, ci) != CHUNK_READY && !is_present(cm, ci)) {
		chunkmap_set_marks_locked(cm, ci, cm->marks[ci] | MARK_PROMISED);
		set_bits(cm->promised, start, start + n);
	}
	chunkmap_leave(cm);
}

void chunkmap_unpromise(struct chunkmap *cm, uint64_t ci, uint32_t first, uint32_t n)
{
	uint64_t start = first_block_of(cm, ci) + first;
	bool is_wanted;

	chunkmap_enter(cm);
	is_wanted = unpromise_locked(cm, ci, start, start + n);
	chunkmap_leave(cm);
	if (is_wanted)
		cm->wake(cm->wake_ctx);
}

bool chunkmap_part_begin(struct chunkmap *cm, uint64_t ci, uint8_t *valid)
{
	bool ok;

	chunkmap_enter(cm);
	/* What a persistent store has is checked as a whole. */
	ok = state_of(cm, ci) != CHUNK_READY && !is_present(cm, ci);
	if (ok) {
		chunkmap_begin_storing_locked(cm, ci);
		ok = state_of(cm, ci) != CHUNK_READY;
		if (ok)
			chunkmap_copy_valid_locked(cm, ci, valid);
		else
			chunkmap_end_storing_locked(cm, ci);
	}
	chunkmap_leave(cm);
	return ok;
}

/* Blocks [first, end) that were not valid at begin are in the store now. */
static void add_part_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
			    uint64_t end)
{
	lock_assert_held(&cm->lock);
	/* First of all, so that the chunk does not become READY; and the mark before the bits. */
	for (uint64_t b = first; b < end; b++)
		if (state_of(cm, ci) == CHUNK_ABSENT || !bit_is_set(cm->valid, b)) {
			chunkmap_set_marks_locked(cm, ci, cm->marks[ci] | MARK_PACKED);
			set_bits(cm->packed, b, b + 1);
		}
	region_order();
	chunkmap_make_valid_locked(cm, ci, first, end);
}

struct chunk_waiter *chunkmap_part_end(struct chunkmap *cm, uint64_t ci, uint32_t first,
				       uint32_t n, bool ok)
{
	uint64_t start = first_block_of(cm, ci) + first;
	struct chunk_waiter *list = NULL;

	chunkmap_enter(cm);
	assert(n && start + n <= end_block_of(cm, ci));
	chunkmap_end_storing_locked(cm, ci);
	if (ok) {
		uint64_t before = chunkmap_clean_locked(cm, ci);

		add_part_locked(cm, ci, start, start + n);
		chunkmap_note_clean_locked(cm, ci, before);
		chunkmap_touch_locked(cm, ci);
		chunkmap_clear_locked(cm, cm->promised, MARK_PROMISED, ci, start,
				      start + n);
		list = chunkmap_take_waiters_locked(cm, ci, NULL);
	}
	chunkmap_leave(cm);
	return list;
}
