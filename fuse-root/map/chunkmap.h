/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunkmap.h - the state of every chunk and block, and who waits for it
 *
 * The only place where a chunk changes state:
 *
 *	             chunkmap_write_end            chunkmap_write_end (last block)
 *	  ABSENT ------------------------> PARTIAL ------------------------------+
 *	    ^|                               ^|                                  |
 *	    ||  chunkmap_store_end, chunkmap_mark_zero, chunkmap_write_end       v
 *	    |+-------------------------------|+------------------------------> READY
 *	    |                                |                                   |
 *	    +--------------------------------+-----------------------------------+
 *	             chunkmap_evict_begin: to PARTIAL where blocks were written here
 *
 *	ABSENT	no block is valid
 *	PARTIAL	a block is valid where its bit is set: it was written or discarded here, or came
 *		from the hot pack (chunkmap_part_end); such a chunk is not READY, even with
 *		all its blocks valid, before the pack's blocks were compared with the image's
 *		or written over
 *	READY	every block is valid
 *
 * A valid block is wholly in the store, or was never stored and reads as zeros because
 * the image has zeros there.  Beside the state a chunk has marks: DEMANDED (in the demand
 * queue), CLAIMED (a fetch has it; one at a time), STORING (its fetched bytes go into the
 * store, or its bytes are thrown away; writers wait, they wait for memory only, never for
 * the network), PROMISED (the hot pack is bringing some of its blocks: a read that misses
 * only these waits without demanding the chunk), DIRTY (READY, and some blocks were
 * written or discarded here: these never leave), ZERO (READY, and nothing but what was
 * written here is in the store: nothing would be gained if it left), PRESENT (ABSENT and
 * CLAIMED: a persistent store says that it has the chunk; until that is checked nobody
 * fetches it, and who wants to read it or write a part of it waits for the check).
 *
 * Blocks leave only while nobody reads or writes their chunk, so whoever does is
 * registered from a begin to an end: within them what was found valid stays so.
 *
 * Every function may be called from any thread and takes the map's own lock for a short
 * time; only chunkmap_write_begin, chunkmap_store_begin and chunkmap_part_begin wait, for
 * each other and for what is being thrown away.
 */
#ifndef MAP_CHUNKMAP_H
#define MAP_CHUNKMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "imgfmt/base.h"

enum chunk_state { CHUNK_ABSENT, CHUNK_PARTIAL, CHUNK_READY };

const char *chunk_state_name(enum chunk_state state);

/* A read of the store under way; the caller's memory until it ends. */
struct chunk_reader {
	struct chunk_reader *next;
	uint64_t first_ci, last_ci;
};

/* A read that cannot be answered yet.  Embedded in the reader's own request, all else zero. */
struct chunk_waiter {
	struct chunk_waiter *next;
	uint64_t ci; /* the chunk it waits for */
	uint64_t img_off;
	uint32_t n_bytes;
	/* Set, never cleared, by chunkmap_want: it waits for more than the hot pack. */
	bool is_demand;
	int64_t since_ns; /* clock_ns of its arrival, for chunkmap_take_older */
	bool has_waited;
	struct chunk_reader reader;
};

/* A write or discard under way; on the caller's stack. */
struct chunk_writer {
	struct chunk_writer *next;
	uint64_t first_block, end_block;
};

/* A chunk that can leave, and how long ago it was used: the smaller, the longer. */
struct chunk_age {
	uint64_t ci;
	uint32_t stamp;
};

struct chunkmap_counts {
	uint64_t n_chunks, n_ready;
	uint64_t ready_bytes;
	uint64_t n_waiting; /* reads */
	uint64_t n_demanded; /* chunks in the demand queue */
	uint64_t clean_bytes; /* in the store, from the image: could leave */
	uint64_t moving_bytes; /* of chunks on their way into the store, or out of it */
};

struct chunkmap;

/*
 * All ABSENT.  `wake` is called, without the lock, after a read has begun to wait and after a
 * write has made the last chunk READY.  image_bytes is a multiple of 4096, chunk_bytes a power of
 * two from 32768.  -ENOMEM.
 */
int chunkmap_new(uint64_t image_bytes, uint32_t chunk_bytes, void (*wake)(void *ctx),
		 void *ctx, struct chunkmap **ret) _must_check_;

/*
 * The same in memory of the caller's, chunkmap_memory_bytes of it, page-aligned: zeros,
 * or what a map of the same sizes left there when its process ended, at whatever
 * instruction.  Of that one, states and valid blocks and which of them came from the hot
 * pack are taken over; demands, claims, promises, waiters and what was being stored are
 * not: to be asked for again.  The memory outlives the map.
 */
int chunkmap_new_in(void *memory, uint64_t image_bytes, uint32_t chunk_bytes,
		    void (*wake)(void *ctx), void *ctx,
		    struct chunkmap **ret) _must_check_;
size_t chunkmap_memory_bytes(uint64_t image_bytes, uint32_t chunk_bytes);

/* Nobody may wait any more.  NULL is legal. */
void chunkmap_free(struct chunkmap *cm);

/*
 * Reader: true when every block of [img_off, +n_bytes) is valid: read the store now, and then
 * chunkmap_read_end.  False: nothing has happened.
 */
bool chunkmap_read_begin(struct chunkmap *cm, struct chunk_reader *r, uint64_t img_off,
			 uint64_t n_bytes) _must_check_;
void chunkmap_read_end(struct chunkmap *cm, struct chunk_reader *r);
/*
 * The same of [w->img_off, +n_bytes), with w->reader; but where something is missing it
 * is demanded, and w belongs to the map until one of the functions below that return
 * waiters gives it back; then ask again.
 */
bool chunkmap_want(struct chunkmap *cm, struct chunk_waiter *w) _must_check_;
/* Every block is valid at this moment.  For tests and messages: it may not be so in the next. */
bool chunkmap_is_valid(struct chunkmap *cm, uint64_t img_off,
		       uint64_t n_bytes) _must_check_;

/*
 * Writer of blocks: begin, write or discard in the store, end.  `ok` false: the store failed, no
 * block becomes valid.  end returns the waiters to ask again, a list by ->next.
 */
void chunkmap_write_begin(struct chunkmap *cm, struct chunk_writer *w, uint64_t img_off,
			  uint64_t n_bytes);
struct chunk_waiter *chunkmap_write_end(struct chunkmap *cm, struct chunk_writer *w,
					bool ok) _must_check_;

/* Oldest demanded chunk that is neither READY nor CLAIMED, out of the queue; false: none. */
bool chunkmap_next_demand(struct chunkmap *cm, uint64_t *ret_ci) _must_check_;
/* True when ci is demanded, not READY and not CLAIMED. */
bool chunkmap_is_demanded(struct chunkmap *cm, uint64_t ci) _must_check_;
/* True when a read waits for chunk ci first of all. */
bool chunkmap_has_waiters(struct chunkmap *cm, uint64_t ci) _must_check_;
/* First chunk from `from` on that is neither READY nor CLAIMED; false: none. */
bool chunkmap_next_absent(struct chunkmap *cm, uint64_t from,
			  uint64_t *ret_ci) _must_check_;

/* Take a chunk for fetching; false when it is READY or already CLAIMED. */
bool chunkmap_claim(struct chunkmap *cm, uint64_t ci) _must_check_;
/* Give it back unfetched; it is demanded again if reads wait for it. */
void chunkmap_unclaim(struct chunkmap *cm, uint64_t ci);

/*
 * A claimed chunk's verified bytes are in memory.  begin waits until nobody writes to the chunk
 * and copies its valid bits (bit b: block b is valid, do not store it) to `valid`, which holds
 * chunk_bytes / 4096 bits.  end: the others are in the store, the chunk is READY and unclaimed;
 * with ok false it is only unclaimed.  end returns the waiters to ask again.
 */
void chunkmap_store_begin(struct chunkmap *cm, uint64_t ci, uint8_t *valid);
struct chunk_waiter *chunkmap_store_end(struct chunkmap *cm, uint64_t ci,
					bool ok) _must_check_;

/*
 * Between the two: which of the valid blocks came from the hot pack and were not written
 * since.  They are to be compared and, where they differ, stored.  False: none, `packed`
 * is untouched.
 */
bool chunkmap_store_packed(struct chunkmap *cm, uint64_t ci,
			   uint8_t *packed) _must_check_;

/*
 * The hot pack brings blocks [first, +n) of chunk ci soon; or it does not after all:
 * reads that relied on it demand the chunk.  Blocks count from the chunk's first.
 */
void chunkmap_promise(struct chunkmap *cm, uint64_t ci, uint32_t first, uint32_t n);
void chunkmap_unpromise(struct chunkmap *cm, uint64_t ci, uint32_t first, uint32_t n);

/*
 * Blocks [first, +n) of a chunk, claimed or not, are in memory.  begin waits until nobody
 * writes to the chunk or stores it, and copies its valid bits as chunkmap_store_begin
 * does; false: it is READY, there is nothing to do and no end.  end: those of the blocks
 * that were not valid are in the store, the promise is kept; with ok false nothing has
 * changed, and the promise stands until it is taken back.
 */
bool chunkmap_part_begin(struct chunkmap *cm, uint64_t ci, uint8_t *valid) _must_check_;
struct chunk_waiter *chunkmap_part_end(struct chunkmap *cm, uint64_t ci, uint32_t first,
				       uint32_t n, bool ok) _must_check_;

/*
 * A persistent store has chunk ci from an earlier life, not checked yet: nobody fetches
 * it, who reads it or writes a part of it waits for the check.  Before the first read.
 * False: the chunk is not ABSENT, nothing has changed.
 */
bool chunkmap_mark_present(struct chunkmap *cm, uint64_t ci) _must_check_;
/* True from there until its check begins. */
bool chunkmap_is_present(struct chunkmap *cm, uint64_t ci);
/*
 * Take a PRESENT chunk for the check: one that somebody waits for, else the next from
 * *cursor on.  False: there is none left.  Nobody writes the chunk until check_end, which
 * says whether all of it is right: then it is READY, else ABSENT and to be fetched.
 * begin may wait for writers; end returns the waiters to ask again.
 */
bool chunkmap_check_begin(struct chunkmap *cm, uint64_t *cursor,
			  uint64_t *ret_ci) _must_check_;
struct chunk_waiter *chunkmap_check_end(struct chunkmap *cm, uint64_t ci,
					bool ok) _must_check_;
/* No check will be made any more: what is PRESENT is ABSENT. */
void chunkmap_forget_present(struct chunkmap *cm);

/*
 * The image has only zeros in this chunk: what was not written here reads as zeros.  A chunk into
 * which a hot pack put something stays as it is, to be fetched and compared like any other.
 */
struct chunk_waiter *chunkmap_mark_zero(struct chunkmap *cm, uint64_t ci) _must_check_;

/*
 * The reads that arrived at before_ns or earlier and still wait, out of the map: to be
 * failed.  What nobody waits for any more is not demanded any more.  ret_oldest_ns:
 * since_ns of the oldest left; INT64_MAX: none is.
 */
struct chunk_waiter *chunkmap_take_older(struct chunkmap *cm, int64_t before_ns,
					 int64_t *ret_oldest_ns) _must_check_;

/*
 * Which chunks can leave: those of the next some thousand from *from on, at most max, in
 * the order of the image.  Moves *from on; false when it has come to the end.
 */
bool chunkmap_ages(struct chunkmap *cm, uint64_t *from, struct chunk_age *ret,
		   unsigned max, unsigned *ret_n) _must_check_;
/*
 * Such a chunk leaves, unless it was used since or somebody is at it: then false.  `kept`, of
 * chunk_bytes / 4096 bits, says which blocks stay; throw the others away in the store, then end it.
 * With ok false they may still be there, which costs memory and no more.
 */
bool chunkmap_evict_begin(struct chunkmap *cm, const struct chunk_age *age,
			  uint8_t *kept) _must_check_;
void chunkmap_evict_end(struct chunkmap *cm, uint64_t ci, bool ok);

/* Every read that waits, out of the map: to be failed at the end. */
struct chunk_waiter *chunkmap_take_all_waiters(struct chunkmap *cm) _must_check_;

bool chunkmap_is_complete(struct chunkmap *cm);
/* How many of the chunks [ci, +n) are READY; those beyond the image are not.  Locks for n bytes. */
uint64_t chunkmap_ready_in(struct chunkmap *cm, uint64_t ci, uint64_t n) _must_check_;
void chunkmap_counts(struct chunkmap *cm, struct chunkmap_counts *ret);
/* For tests and messages. */
enum chunk_state chunkmap_state(struct chunkmap *cm, uint64_t ci);

#endif
