/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_half.c - what the half in use says, and what of it goes into the other
 */
#include "store/journal_internal.h"

#include <errno.h>

/*
 * Calls `take` for each record of the half in use, in order, until the first block that
 * is not whole.
 */
static int for_each_record(struct journal *j, uint64_t n_blocks,
			   int (*take)(struct journal *j, uint64_t number,
				       const struct record *r, void *ctx),
			   void *ctx, uint64_t *ret_blocks)
{
	struct record records[LAYOUT_RECORDS];
	uint64_t seq = 0;
	int err = 0;

	for (uint64_t first = 0; err == 0 && seq == first && first < n_blocks;
	     first += WINDOW_BLOCKS) {
		uint64_t n = min_u64(WINDOW_BLOCKS, n_blocks - first);

		err = journal_transfer(
			j->disk, false,
			layout_journal_off(&j->layout, j->super.generation, first),
			j->window, (uint32_t)n * LAYOUT_BLOCK);
		for (uint64_t i = 0; err == 0 && i < n; i++) {
			int k = journal_block_decode(&j->super, seq, j->layout.n_chunks,
						     j->window + i * LAYOUT_BLOCK,
						     records);

			if (k < 0)
				break;
			for (int r = 0; err == 0 && r < k; r++)
				err = take(j, seq * LAYOUT_RECORDS + (unsigned)r,
					   &records[r], ctx);
			seq++;
		}
	}
	*ret_blocks = seq;
	return err;
}

static int replay_record(struct journal *j, uint64_t number, const struct record *r,
			 void *ctx _unused_)
{
	lock_acquire(&j->lock);
	journal_set_state_locked(j, r->ci, r->is_dirty ? NONE : CLEAN);
	lock_release(&j->lock);
	j->records[r->ci] = r->is_dirty ? 0 : (uint32_t)number + 1;
	return 0;
}

static int replay_number(struct journal *j, uint64_t number, const struct record *r,
			 void *ctx _unused_)
{
	j->records[r->ci] = r->is_dirty ? 0 : (uint32_t)number + 1;
	return 0;
}

/*
 * What a dead process left: its queue is lost, and what it was writing may be on the
 * device or not, which WRITING stands for.
 */
static void adopt_states(struct journal *j)
{
	lock_acquire(&j->lock);
	for (uint64_t ci = 0; ci < j->layout.n_chunks; ci++) {
		enum state state = journal_state(j, ci);

		if (state == QUEUED)
			state = NONE;
		if (state == REVOKING || (state == CLEAN && j->records[ci] == 0))
			state = WRITING;
		atomic_store(&j->states[ci], (uint8_t)state);
		j->n_clean += journal_counts_as_clean(state);
	}
	lock_release(&j->lock);
}

int journal_replay(struct journal *j, bool is_adopted)
{
	int err = for_each_record(j, j->layout.half_blocks,
				  is_adopted ? replay_number : replay_record, NULL,
				  &j->seq);

	if (err == 0 && is_adopted)
		adopt_states(j);
	return err;
}

/* -- into the other half ------------------------------------------------------------------- */

/* What is carried over into the next generation. */
struct rewrite {
	struct super super;
	struct record batch[LAYOUT_RECORDS];
	unsigned n;
	uint64_t seq;
};

static int write_rewritten(struct journal *j, struct rewrite *rw)
{
	uint64_t off = layout_journal_off(&j->layout, rw->super.generation, rw->seq);

	journal_block_encode(&rw->super, rw->seq, rw->batch, rw->n, j->block);
	for (unsigned i = 0; i < rw->n; i++)
		j->records[rw->batch[i].ci] =
			(uint32_t)(rw->seq * LAYOUT_RECORDS + i) + 1;
	rw->seq++;
	rw->n = 0;
	return journal_transfer(j->disk, true, off, j->block, LAYOUT_BLOCK);
}

/*
 * A chunk is stored once at most in a generation: what is CLEAN and has this number is
 * the truth.
 */
static int rewrite_record(struct journal *j, uint64_t number, const struct record *r,
			  void *ctx)
{
	struct rewrite *rw = ctx;

	if (r->is_dirty || journal_state(j, r->ci) != CLEAN ||
	    j->records[r->ci] != number + 1)
		return 0;
	rw->batch[rw->n++] = *r;
	return rw->n == LAYOUT_RECORDS ? write_rewritten(j, rw) : 0;
}

/*
 * The old half stays whole until the superblock of the new one is on the device; the
 * superblock goes to the copy that the old one is not in.  When it fails, some numbers in
 * `records` are of the new half: those records are not found again, which costs a fetch.
 */
int journal_begin_generation(struct journal *j)
{
	cleanup_free struct rewrite *rw = calloc(1, sizeof *rw);
	uint64_t n_blocks;
	int err;

	if (!rw)
		return -ENOMEM;
	rw->super = j->super;
	rw->super.generation++;
	err = for_each_record(j, j->seq, rewrite_record, rw, &n_blocks);
	if (err == 0 && n_blocks < j->seq)
		err = -EIO;
	if (err == 0 && rw->n)
		err = write_rewritten(j, rw);
	if (err == 0)
		err = disk_flush(j->disk);
	if (err == 0)
		err = journal_write_super(j->disk, &rw->super,
					  rw->super.generation % LAYOUT_SUPER_COPIES,
					  j->block);
	if (err < 0)
		return err;
	j->super = rw->super;
	j->seq = rw->seq;
	/*
	 * Against a sector that goes bad later: without it only the generation before
	 * would be found.
	 */
	(void)!journal_write_super(j->disk, &rw->super,
				   (rw->super.generation + 1) % LAYOUT_SUPER_COPIES,
				   j->block);
	return 0;
}
