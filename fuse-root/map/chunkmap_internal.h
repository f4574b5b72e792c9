/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap_internal.h - what the files of the chunk map share; for chunkmap*.c and its tests only
 *
 * chunkmap.c has the map and its transitions, chunkmap_wait.c readers and demand, chunkmap_write.c
 * writers, chunkmap_fetch.c fetches, chunkmap_pack.c the hot pack, chunkmap_evict.c the way back,
 * chunkmap_present.c what a persistent store has, chunkmap_recover.c what a process that died has
 * left, chunkmap_check.c what must always hold.  Every function here needs the lock but those that
 * only compute.
 */
#ifndef MAP_CHUNKMAP_INTERNAL_H
#define MAP_CHUNKMAP_INTERNAL_H

#include "base/lock.h"
#include "base/region.h"
#include "map/chunkmap.h"
#include "map/queue.h"

#define STATE_MASK 0x03u
#define MARK_DEMANDED 0x04u
#define MARK_CLAIMED 0x08u
/* Bits of `packed` may be set; the store may have something of a pack where no bit says so. */
#define MARK_PACKED 0x10u
#define MARK_PROMISED 0x20u /* bits of `promised` may be set */
/* READY only: bits of `valid` say which blocks were written here. */
#define MARK_DIRTY 0x40u
/* Instead of a state: ABSENT to everybody, and CLAIMED, but a persistent store may have it. */
#define STATE_PRESENT 3u
#define MARK_ZERO 0x80u /* READY only: what was not written here is not in the store */

#define BLOCK_BYTES 4096u
#define WAITER_BUCKETS 1024u
#define STORING_MAX 64u
/* More than all reads that the kernel can have outstanding, times the chunks each can span. */
#define DEMAND_MAX (128u * 1024)

struct chunkmap {
	/* set before threads start */
	uint64_t n_blocks, n_chunks;
	uint64_t blocks_per_chunk;
	void (*wake)(void *ctx);
	void *wake_ctx;
	void *own_memory; /* of the arrays; NULL: the caller's */
	size_t own_bytes;

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t writer_left; /* a registered writer has ended */
	pthread_cond_t storing_ended;
	uint8_t *marks; /* a chunk: state and marks */
	/* A bit a block; where the chunk is READY: written here, if DIRTY. */
	uint8_t *valid;
	uint8_t *packed; /* a bit a block: valid, from the hot pack, to be compared */
	uint8_t *promised; /* a bit a block: the hot pack brings it soon */
	/* A chunk: clock of its last use; not shared, because it may be forgotten. */
	uint32_t *stamps;
	uint32_t clock;
	struct queue demand;
	struct chunk_waiter *waiters[WAITER_BUCKETS]; /* oldest first */
	struct chunk_writer *writers;
	struct chunk_reader *readers;
	uint64_t storing[STORING_MAX]; /* stored into or leaving */
	unsigned n_storing;
	uint64_t n_ready, ready_blocks, n_waiting, n_demanded, n_present;
	uint64_t urgent_ci; /* a PRESENT chunk that a writer wants; else any number */
	uint64_t clean_blocks; /* that could leave if nobody used them */
	bool demand_overflowed; /* reads wait for chunks that found no place in demand */
};

static inline bool is_present(const struct chunkmap *cm, uint64_t ci)
{
	return (cm->marks[ci] & STATE_MASK) == STATE_PRESENT;
}

static inline enum chunk_state state_of(const struct chunkmap *cm, uint64_t ci)
{
	return is_present(cm, ci) ? CHUNK_ABSENT : cm->marks[ci] & STATE_MASK;
}

/* Somebody may claim it. */
static inline bool is_fetchable(const struct chunkmap *cm, uint64_t ci)
{
	return state_of(cm, ci) != CHUNK_READY && !(cm->marks[ci] & MARK_CLAIMED);
}

static inline uint64_t first_block_of(const struct chunkmap *cm, uint64_t ci)
{
	return ci * cm->blocks_per_chunk;
}

static inline uint64_t end_block_of(const struct chunkmap *cm, uint64_t ci)
{
	return min_u64((ci + 1) * cm->blocks_per_chunk, cm->n_blocks);
}

static inline bool bit_is_set(const uint8_t *bits, uint64_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static inline void set_bits(uint8_t *bits, uint64_t first, uint64_t end)
{
	for (uint64_t b = first; b < end; b++)
		bits[b / 8] |= (uint8_t)(1u << (b % 8));
}

/* Each chunk's bits are whole bytes. */
static inline uint8_t *bits_of(const struct chunkmap *cm, uint8_t *bits, uint64_t ci)
{
	return bits + ci * (cm->blocks_per_chunk / 8);
}

/* Take and give back the lock; in debug builds the map is checked each time it is given back. */
void chunkmap_enter(struct chunkmap *cm);
void chunkmap_leave(struct chunkmap *cm);
/* Everything that must hold whenever the lock is free; nothing in production. */
void chunkmap_check_locked(struct chunkmap *cm);

/* The only way to change marks that bits hang on: nothing else is written before or after it. */
void chunkmap_set_marks_locked(struct chunkmap *cm, uint64_t ci, unsigned marks);
/* What a process left, before any thread: legal, nothing under way, counted. */
void chunkmap_recover(struct chunkmap *cm);

bool chunkmap_any_locked(struct chunkmap *cm, uint8_t *bits, uint64_t ci);
/* Clear bits [first, end) of chunk ci in an array, and the mark when none is left. */
void chunkmap_clear_locked(struct chunkmap *cm, uint8_t *bits, unsigned mark, uint64_t ci,
			   uint64_t first, uint64_t end);
/*
 * Blocks of a chunk that is not READY that came from the hot pack are not valid any more;
 * the mark stays.
 */
void chunkmap_drop_packed_locked(struct chunkmap *cm, uint64_t ci);
/*
 * Blocks of chunk ci that came from the image and are in the store.  Whoever changes a chunk asks
 * before, and says afterwards that it was so.
 */
uint64_t chunkmap_clean_locked(struct chunkmap *cm, uint64_t ci);
void chunkmap_note_clean_locked(struct chunkmap *cm, uint64_t ci, uint64_t before);
/* Blocks [first, end) of chunk ci have become valid. */
void chunkmap_make_valid_locked(struct chunkmap *cm, uint64_t ci, uint64_t first,
				uint64_t end);
bool chunkmap_all_valid_locked(struct chunkmap *cm, uint64_t first, uint64_t end);
/* Every block of chunk ci is valid. */
void chunkmap_make_ready_locked(struct chunkmap *cm, uint64_t ci);
/* A chunk that was PRESENT is ABSENT and unclaimed; any other stays as it is. */
void chunkmap_leave_present_locked(struct chunkmap *cm, uint64_t ci);
/*
 * A chunk that is written in part: what is there is to be known first.  The checker is
 * told which it is.
 */
bool chunkmap_awaits_check_locked(struct chunkmap *cm, const struct chunk_writer *w);
/* Chunk ci was used just now. */
void chunkmap_touch_locked(struct chunkmap *cm, uint64_t ci);

bool chunkmap_has_waiters_locked(struct chunkmap *cm, uint64_t ci);
/* Unlinks all waiters of ci and puts them in front of `list`. */
struct chunk_waiter *chunkmap_take_waiters_locked(struct chunkmap *cm, uint64_t ci,
						  struct chunk_waiter *list);
void chunkmap_demand_locked(struct chunkmap *cm, uint64_t ci, bool before_others);

bool chunkmap_is_storing_locked(struct chunkmap *cm, uint64_t first_ci, uint64_t last_ci);
bool chunkmap_has_writer_locked(struct chunkmap *cm, uint64_t ci);
/* Waits: one stores at a time, and nobody writes meanwhile. */
void chunkmap_begin_storing_locked(struct chunkmap *cm, uint64_t ci);
void chunkmap_end_storing_locked(struct chunkmap *cm, uint64_t ci);
void chunkmap_copy_valid_locked(struct chunkmap *cm, uint64_t ci, uint8_t *ret);

#endif
