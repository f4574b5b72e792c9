/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_recover.c - a map that another process left, at whatever instruction it ended
 *
 * What the order of writes in the other files can leave: a mark without bits, bits of the
 * pack whose block did not get valid, claims and promises of threads that are no more.
 * Only bits that a mark speaks of are looked at: reading others would give them memory.
 */
#include "map/chunkmap_internal.h"

/* The process died between the bits of the pack and the valid ones. */
static void recover_packed_locked(struct chunkmap *cm, uint64_t ci)
{
	const uint8_t *valid = bits_of(cm, cm->valid, ci);
	uint8_t *packed = bits_of(cm, cm->packed, ci);

	lock_assert_held(&cm->lock);
	for (uint64_t i = 0; i < cm->blocks_per_chunk / 8; i++)
		packed[i] &= valid[i];
}

static bool lacks_block_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (uint64_t b = first_block_of(cm, ci); b < end_block_of(cm, ci); b++)
		if (!bit_is_set(cm->valid, b))
			return true;
	return false;
}

/* READY: DIRTY was set before the first bit. */
static unsigned recover_ready_locked(struct chunkmap *cm, uint64_t ci)
{
	unsigned marks = cm->marks[ci] & (STATE_MASK | MARK_DIRTY | MARK_ZERO);

	lock_assert_held(&cm->lock);
	if (marks & MARK_DIRTY && !chunkmap_any_locked(cm, cm->valid, ci))
		marks &= ~MARK_DIRTY;
	return marks;
}

/* A pack that was on its way may have reached the store. */
static unsigned recover_missing_locked(struct chunkmap *cm, uint64_t ci)
{
	unsigned packed = cm->marks[ci] & (MARK_PACKED | MARK_PROMISED) ? MARK_PACKED : 0;

	lock_assert_held(&cm->lock);
	if (cm->marks[ci] & MARK_PROMISED)
		memset(bits_of(cm, cm->promised, ci), 0, cm->blocks_per_chunk / 8);
	if (cm->marks[ci] & MARK_PACKED)
		recover_packed_locked(cm, ci);
	/* Also what was PRESENT: whoever has the store says so again. */
	if (state_of(cm, ci) == CHUNK_ABSENT || !chunkmap_any_locked(cm, cm->valid, ci))
		return CHUNK_ABSENT | packed;
	if (lacks_block_locked(cm, ci) ||
	    (cm->marks[ci] & MARK_PACKED && chunkmap_any_locked(cm, cm->packed, ci)))
		return CHUNK_PARTIAL | packed;
	/* All of it was written here. */
	return CHUNK_READY | MARK_DIRTY;
}

static void recover_chunk_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	chunkmap_set_marks_locked(cm, ci,
				  state_of(cm, ci) == CHUNK_READY
					  ? recover_ready_locked(cm, ci)
					  : recover_missing_locked(cm, ci));
	cm->clean_blocks += chunkmap_clean_locked(cm, ci);
	if (state_of(cm, ci) != CHUNK_READY)
		return;
	cm->n_ready++;
	cm->ready_blocks += end_block_of(cm, ci) - first_block_of(cm, ci);
}

/* May itself be killed and run again.  Memory of zeros is a map of nothing but ABSENT chunks. */
void chunkmap_recover(struct chunkmap *cm)
{
	chunkmap_enter(cm);
	for (uint64_t ci = 0; ci < cm->n_chunks; ci++)
		if (cm->marks[ci])
			recover_chunk_locked(cm, ci);
	chunkmap_leave(cm);
}
