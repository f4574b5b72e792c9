/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_internal.h - struct journal, for journal*.c only: journal.c decides what is recorded,
 * journal_half.c reads and rewrites what is, journal_super.c has the superblocks
 *
 * States of a chunk, of which journal.h shows three:
 *
 *	NONE -> QUEUED -> WRITING -> CLEAN	stored, in the queue, in the block under way,
 *						on the device
 *	NONE, QUEUED -> DIRTY			nothing on the device says that it is stored
 *	WRITING, CLEAN -> REVOKING -> DIRTY	the revocation is in the queue or under way
 *
 * They change under the lock and may be looked at without: who sees DIRTY sees the end of
 * the revocation.  `is_busy` is the right to use the device's journal, the cursor and the
 * buffers; it is never held together with the lock across I/O.
 */
#ifndef STORE_JOURNAL_INTERNAL_H
#define STORE_JOURNAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "store/journal.h"

#define QUEUE_MAX 512u
#define WINDOW_BLOCKS 64u /* read and written at a time where many are */

enum state { NONE, QUEUED, WRITING, CLEAN, REVOKING, DIRTY };

struct journal {
	/* set before threads start */
	struct disk *disk;
	struct layout layout;
	bool has_thread, owns_states;
	pthread_t thread;

	/* changed under lock, read by anybody */
	_Atomic uint8_t *states;

	/* owned by who has is_busy */
	struct super super;
	uint64_t seq; /* next block of the half in use */
	uint32_t *records; /* of a chunk: 1 + number of its record in the half; 0: none */
	uint8_t *block, *window; /* one block, WINDOW_BLOCKS of them; aligned */
	struct record batch[LAYOUT_RECORDS];

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t changed; /* is_busy ended, states and queue have changed */
	pthread_cond_t queued; /* for the thread */
	bool is_busy, is_stopping;
	struct record queue[QUEUE_MAX];
	unsigned n_queue;
	uint64_t n_clean;
	int err;
};

static inline enum state journal_state(const struct journal *j, uint64_t ci)
{
	return atomic_load_explicit(&j->states[ci], memory_order_acquire);
}

static inline bool journal_counts_as_clean(enum state state)
{
	return state == QUEUED || state == WRITING || state == CLEAN;
}

/* Keeps n_clean right, too. */
void journal_set_state_locked(struct journal *j, uint64_t ci, enum state state);

static inline int journal_transfer(struct disk *d, bool is_write, uint64_t disk_off,
				   uint8_t *buf, uint32_t n_bytes)
{
	const struct store_io io = {.slot_off = disk_off, .buf = buf, .n_bytes = n_bytes};

	return is_write ? disk_write(d, &io, 1) : disk_read(d, &io, 1);
}

/* -- journal_super.c ------------------------------------------------------------------------ */

/* The newest whole superblock.  -ENOENT: none of ours, -EBADMSG: damaged */
int journal_read_super(struct disk *d, struct super *ret) _must_check_;
/* And a flush; `block` has room for one. */
int journal_write_super(struct disk *d, const struct super *s, unsigned copy,
			uint8_t *block) _must_check_;

/* -- journal_half.c, for whoever is busy ----------------------------------------------------- */

/*
 * States, numbers of records and the cursor, from the half in use.  is_adopted: the states are
 * those that a dead process left.
 */
int journal_replay(struct journal *j, bool is_adopted) _must_check_;
/* What counts of the half in use goes into the other, which is in use then. */
int journal_begin_generation(struct journal *j) _must_check_;

#endif
