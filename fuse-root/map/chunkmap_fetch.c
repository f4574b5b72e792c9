/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_fetch.c - a chunk's way from claimed to stored
 *
 * Who is to fetch a chunk claims it.  When its bytes are there they are stored between
 * store_begin and store_end, which keep writers out and say which blocks have to stay as
 * they are.
 */
#include "map/chunkmap_internal.h"

bool chunkmap_is_storing_locked(struct chunkmap *cm, uint64_t first_ci, uint64_t last_ci)
{
	lock_assert_held(&cm->lock);
	for (unsigned i = 0; i < cm->n_storing; i++)
		if (cm->storing[i] >= first_ci && cm->storing[i] <= last_ci)
			return true;
	return false;
}

bool chunkmap_claim(struct chunkmap *cm, uint64_t ci)
{
	bool ok;

	chunkmap_enter(cm);
	ok = is_fetchable(cm, ci);
	if (ok)
		cm->marks[ci] |= MARK_CLAIMED;
	chunkmap_leave(cm);
	return ok;
}

void chunkmap_unclaim(struct chunkmap *cm, uint64_t ci)
{
	chunkmap_enter(cm);
	assert(cm->marks[ci] & MARK_CLAIMED);
	cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
	if (chunkmap_has_waiters_locked(cm, ci))
		chunkmap_demand_locked(cm, ci, false);
	chunkmap_leave(cm);
}

bool chunkmap_has_writer_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	for (struct chunk_writer *w = cm->writers; w; w = w->next)
		if (w->first_block < end_block_of(cm, ci) &&
		    w->end_block > first_block_of(cm, ci))
			return true;
	return false;
}

void chunkmap_begin_storing_locked(struct chunkmap *cm, uint64_t ci)
{
	lock_assert_held(&cm->lock);
	while (chunkmap_is_storing_locked(cm, ci, ci))
		cond_wait(&cm->storing_ended, &cm->lock);
	assert(cm->n_storing < STORING_MAX);
	cm->storing[cm->n_storing++] = ci;
	while (chunkmap_has_writer_locked(cm, ci))
		cond_wait(&cm->writer_left, &cm->lock);
}

void chunkmap_copy_valid_locked(struct chunkmap *cm, uint64_t ci, uint8_t *ret)
{
	size_t n_bytes = cm->blocks_per_chunk / 8;

	lock_assert_held(&cm->lock);
	if (state_of(cm, ci) == CHUNK_PARTIAL)
		memcpy(ret, cm->valid + ci * n_bytes, n_bytes);
	else
		memset(ret, state_of(cm, ci) == CHUNK_READY ? 0xff : 0, n_bytes);
}

void chunkmap_store_begin(struct chunkmap *cm, uint64_t ci, uint8_t *valid)
{
	chunkmap_enter(cm);
	assert(cm->marks[ci] & MARK_CLAIMED);
	chunkmap_begin_storing_locked(cm, ci);
	chunkmap_copy_valid_locked(cm, ci, valid);
	chunkmap_leave(cm);
}

void chunkmap_end_storing_locked(struct chunkmap *cm, uint64_t ci)
{
	unsigned i;

	lock_assert_held(&cm->lock);
	for (i = 0; i < cm->n_storing; i++)
		if (cm->storing[i] == ci)
			break;
	assert(i < cm->n_storing);
	cm->storing[i] = cm->storing[--cm->n_storing];
	PTHREAD_OK(pthread_cond_broadcast(&cm->storing_ended));
}

struct chunk_waiter *chunkmap_store_end(struct chunkmap *cm, uint64_t ci, bool ok)
{
	struct chunk_waiter *list = NULL;
	uint64_t before;

	chunkmap_enter(cm);
	chunkmap_end_storing_locked(cm, ci);
	cm->marks[ci] &= (uint8_t)~MARK_CLAIMED;
	if (ok) {
		before = chunkmap_clean_locked(cm, ci);
		chunkmap_make_ready_locked(cm, ci);
		chunkmap_note_clean_locked(cm, ci, before);
		chunkmap_touch_locked(cm, ci);
		list = chunkmap_take_waiters_locked(cm, ci, NULL);
	}
	chunkmap_leave(cm);
	return list;
}

bool chunkmap_store_packed(struct chunkmap *cm, uint64_t ci, uint8_t *packed)
{
	size_t n_bytes = cm->blocks_per_chunk / 8;
	bool any;

	chunkmap_enter(cm);
	assert(chunkmap_is_storing_locked(cm, ci, ci));
	any = cm->marks[ci] & MARK_PACKED;
	if (any)
		memcpy(packed, cm->packed + ci * n_bytes, n_bytes);
	chunkmap_leave(cm);
	return any;
}

struct chunk_waiter *chunkmap_mark_zero(struct chunkmap *cm, uint64_t ci)
{
	struct chunk_waiter *list = NULL;
	uint64_t before;

	chunkmap_enter(cm);
	/* A pack has put something where the image has zeros: it goes the way of other chunks. */
	if (state_of(cm, ci) != CHUNK_READY && !(cm->marks[ci] & MARK_PACKED) &&
	    !chunkmap_is_storing_locked(cm, ci, ci)) {
		before = chunkmap_clean_locked(cm, ci);
		chunkmap_make_ready_locked(cm, ci);
		chunkmap_set_marks_locked(cm, ci, cm->marks[ci] | MARK_ZERO);
		chunkmap_note_clean_locked(cm, ci, before);
		list = chunkmap_take_waiters_locked(cm, ci, NULL);
	}
	chunkmap_leave(cm);
	return list;
}
