/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_write.c - writers
 *
 * A writer is registered from before it touches the store until afterwards: nobody stores
 * fetched bytes into its chunks meanwhile, and they do not leave.
 */
#include "map/chunkmap_internal.h"

/*
 * The mark stays: of other blocks, too, something may be in the store, which zeros must
 * not be taken for.
 */
static void unpack_locked(struct chunkmap *cm, uint64_t ci, uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	if (!(cm->marks[ci] & MARK_PACKED))
		return;
	for (uint64_t b = first; b < end; b++)
		cm->packed[b / 8] &= (uint8_t) ~(1u << (b % 8));
	region_order();
}

/*
 * Before the store is touched: these blocks are the user's from now on, whatever becomes
 * of the write, and must not leave.  Where the chunk is not READY, chunkmap_write_end
 * says so by making them valid.
 */
static void note_written_locked(struct chunkmap *cm, uint64_t first, uint64_t end)
{
	lock_assert_held(&cm->lock);
	for (uint64_t b = first; b < end;) {
		uint64_t ci = b / cm->blocks_per_chunk;
		uint64_t stop = min_u64(end, end_block_of(cm, ci));

		if (state_of(cm, ci) == CHUNK_READY) {
			uint64_t before = chunkmap_clean_locked(cm, ci);

			chunkmap_make_valid_locked(cm, ci, b, stop);
			chunkmap_note_clean_locked(cm, ci, before);
		}
		b = stop;
	}
}

void chunkmap_write_begin(struct chunkmap *cm, struct chunk_writer *w, uint64_t img_off,
			  uint64_t n_bytes)
{
	uint64_t first_ci, last_ci;

	assert(img_off % BLOCK_BYTES == 0 && n_bytes && n_bytes % BLOCK_BYTES == 0);
	w->first_block = img_off / BLOCK_BYTES;
	w->end_block = w->first_block + n_bytes / BLOCK_BYTES;
	assert(w->end_block <= cm->n_blocks);
	first_ci = w->first_block / cm->blocks_per_chunk;
	last_ci = (w->end_block - 1) / cm->blocks_per_chunk;
	chunkmap_enter(cm);
	while (chunkmap_is_storing_locked(cm, first_ci, last_ci) ||
	       chunkmap_awaits_check_locked(cm, w))
		cond_wait(&cm->storing_ended, &cm->lock);
	note_written_locked(cm, w->first_block, w->end_block);
	w->next = cm->writers;
	cm->writers = w;
	chunkmap_leave(cm);
}

static void unregister_locked(struct chunkmap *cm, struct chunk_writer *w)
{
	struct chunk_writer **at = &cm->writers;

	lock_assert_held(&cm->lock);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	PTHREAD_OK(pthread_cond_broadcast(&cm->writer_left));
}

struct chunk_waiter *chunkmap_write_end(struct chunkmap *cm, struct chunk_writer *w,
					bool ok)
{
	struct chunk_waiter *list = NULL;
	bool is_complete;
	uint64_t n_ready;

	chunkmap_enter(cm);
	n_ready = cm->n_ready;
	for (uint64_t b = w->first_block; b < w->end_block;) {
		uint64_t ci = b / cm->blocks_per_chunk;
		uint64_t end = min_u64(w->end_block, end_block_of(cm, ci));
		uint64_t before = chunkmap_clean_locked(cm, ci);

		/*
		 * Also where the write failed: the user may have been told so, and it is
		 * his now.
		 */
		unpack_locked(cm, ci, b, end);
		if (ok) {
			chunkmap_make_valid_locked(cm, ci, b, end);
			chunkmap_touch_locked(cm, ci);
			list = chunkmap_take_waiters_locked(cm, ci, list);
		}
		chunkmap_note_clean_locked(cm, ci, before);
		b = end;
	}
	unregister_locked(cm, w);
	is_complete = cm->n_ready == cm->n_chunks && cm->n_ready != n_ready;
	chunkmap_leave(cm);
	/* No fetch will tell the engine that nothing is missing any more. */
	if (is_complete)
		cm->wake(cm->wake_ctx);
	return list;
}
