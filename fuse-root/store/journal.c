/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.c - see journal.h
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
#include "store/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"

#define QUEUE_MAX 512u
#define WINDOW_BLOCKS 64u /* read and written at a time where many are */
#define IDLE_MS 1000 /* a record waits this long for company */

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

static enum state state_of(const struct journal *j, uint64_t ci)
{
	return atomic_load_explicit(&j->states[ci], memory_order_acquire);
}

static bool counts_as_clean(enum state state)
{
	return state == QUEUED || state == WRITING || state == CLEAN;
}

static void set_state_locked(struct journal *j, uint64_t ci, enum state state)
{
	lock_assert_held(&j->lock);
	j->n_clean -= counts_as_clean(state_of(j, ci));
	j->n_clean += counts_as_clean(state);
	atomic_store_explicit(&j->states[ci], (uint8_t)state, memory_order_release);
}

/* -- the device --------------------------------------------------------------------------- */

static int transfer(struct disk *d, bool is_write, uint64_t disk_off, uint8_t *buf,
		    uint32_t n_bytes)
{
	const struct store_io io = {.slot_off = disk_off, .buf = buf, .n_bytes = n_bytes};

	return is_write ? disk_write(d, &io, 1) : disk_read(d, &io, 1);
}

/* The newest whole superblock.  -ENOENT: none of ours, -EBADMSG: damaged */
static int read_super(struct disk *d, struct super *ret)
{
	cleanup_free uint8_t *block = aligned_alloc(LAYOUT_BLOCK, LAYOUT_BLOCK);
	bool any = false, is_ours = false;

	if (!block)
		return -ENOMEM;
	for (unsigned i = 0; i < LAYOUT_SUPER_COPIES; i++) {
		struct super s;
		int err = transfer(d, false, layout_super_off(i), block, LAYOUT_BLOCK);

		/* One copy that cannot be read is what the other is for. */
		if (err < 0 && i + 1 == LAYOUT_SUPER_COPIES && !any && !is_ours)
			return err;
		if (err < 0)
			continue;
		is_ours = is_ours || super_is_ours(block);
		if (!super_decode(block, &s) || (any && s.generation < ret->generation))
			continue;
		*ret = s;
		any = true;
	}
	if (any)
		return 0;
	return is_ours ? -EBADMSG : -ENOENT;
}

static int write_super(struct disk *d, const struct super *s, unsigned copy,
		       uint8_t *block)
{
	int err;

	super_encode(s, block);
	err = transfer(d, true, layout_super_off(copy), block, LAYOUT_BLOCK);
	return err < 0 ? err : disk_flush(d);
}

int journal_probe(struct disk *d, const struct layout_image *image,
		  enum journal_found *ret)
{
	struct super s;
	int err;

	*ret = JOURNAL_NONE;
	/* A file that was just made has no bytes yet. */
	err = read_super(d, &s);
	if (err == -ENOENT || (err == -EIO && d->is_file))
		return 0;
	if (err == -EBADMSG)
		*ret = JOURNAL_DAMAGED;
	if (err < 0)
		return err == -EBADMSG ? 0 : err;
	*ret = memcmp(s.image.digest, image->digest, sizeof s.image.digest) == 0 &&
			       s.image.image_bytes == image->image_bytes &&
			       s.image.chunk_bytes == image->chunk_bytes
		       ? JOURNAL_SAME_IMAGE
		       : JOURNAL_OTHER_IMAGE;
	return 0;
}

int journal_format(struct disk *d, const struct layout_image *image)
{
	cleanup_free uint8_t *block = aligned_alloc(LAYOUT_BLOCK, LAYOUT_BLOCK);
	struct super s = {.generation = 1, .image = *image};
	int err = 0;

	if (!block)
		return -ENOMEM;
	/* New for each formatting, so that no block of an older journal is ever taken for ours. */
	if (getrandom(s.uuid, sizeof s.uuid, 0) != (ssize_t)sizeof s.uuid)
		return -EIO;
	/* Both copies: none may lead to what was here before. */
	for (unsigned i = 0; err == 0 && i < LAYOUT_SUPER_COPIES; i++)
		err = write_super(d, &s, i, block);
	return err;
}

/* -- reading and rewriting a half; the caller is busy ---------------------------------------- */

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

		err = transfer(j->disk, false,
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
	set_state_locked(j, r->ci, r->is_dirty ? NONE : CLEAN);
	lock_release(&j->lock);
	j->records[r->ci] = r->is_dirty ? 0 : (uint32_t)number + 1;
	return 0;
}

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
	return transfer(j->disk, true, off, j->block, LAYOUT_BLOCK);
}

/*
 * A chunk is stored once at most in a generation: what is CLEAN and has this number is
 * the truth.
 */
static int rewrite_record(struct journal *j, uint64_t number, const struct record *r,
			  void *ctx)
{
	struct rewrite *rw = ctx;

	if (r->is_dirty || state_of(j, r->ci) != CLEAN || j->records[r->ci] != number + 1)
		return 0;
	rw->batch[rw->n++] = *r;
	return rw->n == LAYOUT_RECORDS ? write_rewritten(j, rw) : 0;
}

/*
 * The old half stays whole until the superblock of the new one is on the device; the
 * superblock goes to the copy that the old one is not in.  When it fails, some numbers in
 * `records` are of the new half: those records are not found again, which costs a fetch.
 */
static int begin_generation(struct journal *j)
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
		err = write_super(j->disk, &rw->super,
				  rw->super.generation % LAYOUT_SUPER_COPIES, j->block);
	if (err < 0)
		return err;
	j->super = rw->super;
	j->seq = rw->seq;
	/*
	 * Against a sector that goes bad later: without it only the generation before
	 * would be found.
	 */
	(void)!write_super(j->disk, &rw->super,
			   (rw->super.generation + 1) % LAYOUT_SUPER_COPIES, j->block);
	return 0;
}

/* -- writing records ---------------------------------------------------------------------- */

/* Records of the queue that still say something, into batch. */
static unsigned take_batch_locked(struct journal *j, bool *ret_stored, bool *ret_dirty)
{
	unsigned n = 0, used = 0;

	lock_assert_held(&j->lock);
	*ret_stored = *ret_dirty = false;
	for (; used < j->n_queue && n < LAYOUT_RECORDS; used++) {
		const struct record *r = &j->queue[used];

		if (!r->is_dirty && state_of(j, r->ci) != QUEUED)
			continue;
		if (!r->is_dirty)
			set_state_locked(j, r->ci, WRITING);
		*(r->is_dirty ? ret_dirty : ret_stored) = true;
		j->batch[n++] = *r;
	}
	j->n_queue -= used;
	memmove(j->queue, j->queue + used, j->n_queue * sizeof j->queue[0]);
	return n;
}

static int write_batch(struct journal *j, unsigned n, bool any_stored, bool any_dirty)
{
	uint64_t off;
	int err = 0;

	if (j->seq == j->layout.half_blocks)
		err = begin_generation(j);
	/* The data first: a record says that it is there. */
	if (err == 0 && any_stored)
		err = disk_flush(j->disk);
	if (err < 0)
		return err;
	off = layout_journal_off(&j->layout, j->super.generation, j->seq);
	journal_block_encode(&j->super, j->seq, j->batch, n, j->block);
	err = transfer(j->disk, true, off, j->block, LAYOUT_BLOCK);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < n; i++)
		if (!j->batch[i].is_dirty)
			j->records[j->batch[i].ci] =
				(uint32_t)(j->seq * LAYOUT_RECORDS + i) + 1;
	j->seq++;
	return any_dirty ? disk_flush(j->disk) : 0;
}

static void end_batch_locked(struct journal *j, unsigned n, int err)
{
	lock_assert_held(&j->lock);
	for (unsigned i = 0; i < n; i++) {
		uint64_t ci = j->batch[i].ci;

		/* A record that failed may be on the device or not: WRITING has it revoked. */
		if (j->batch[i].is_dirty)
			set_state_locked(j, ci, DIRTY);
		else if (state_of(j, ci) == WRITING && err == 0)
			set_state_locked(j, ci, CLEAN);
	}
}

/* One block.  The lock is let go of meanwhile; nobody else is busy. */
static int commit_locked(struct journal *j)
{
	bool any_stored, any_dirty, is_new;
	unsigned n;
	int err;

	lock_assert_held(&j->lock);
	assert(!j->is_busy);
	n = take_batch_locked(j, &any_stored, &any_dirty);
	if (n == 0)
		return 0;
	j->is_busy = true;
	lock_release(&j->lock);
	err = write_batch(j, n, any_stored, any_dirty);
	lock_acquire(&j->lock);
	end_batch_locked(j, n, err);
	is_new = err != j->err;
	j->err = err;
	j->is_busy = false;
	PTHREAD_OK(pthread_cond_broadcast(&j->changed));
	if (err < 0 && is_new) {
		lock_release(&j->lock);
		log_error("store %s: write the journal: %s: what it does not record is "
			  "fetched again after the next start",
			  j->disk->path, strerror(-err));
		lock_acquire(&j->lock);
	}
	return err;
}

static void become_busy_locked(struct journal *j)
{
	lock_assert_held(&j->lock);
	while (j->is_busy)
		cond_wait(&j->changed, &j->lock);
	j->is_busy = true;
}

static void end_busy_locked(struct journal *j)
{
	lock_assert_held(&j->lock);
	j->is_busy = false;
	PTHREAD_OK(pthread_cond_broadcast(&j->changed));
}

static void advance_locked(struct journal *j)
{
	lock_assert_held(&j->lock);
	if (j->is_busy)
		cond_wait(&j->changed, &j->lock);
	else
		(void)!commit_locked(j);
}

static void enqueue_locked(struct journal *j, const struct record *r)
{
	lock_assert_held(&j->lock);
	assert(j->n_queue < QUEUE_MAX);
	j->queue[j->n_queue++] = *r;
	if (j->n_queue == 1 || j->n_queue == LAYOUT_RECORDS)
		PTHREAD_OK(pthread_cond_signal(&j->queued));
}

void journal_stored(struct journal *j, uint64_t ci,
		    const uint8_t digest[LAYOUT_DIGEST_BYTES])
{
	struct record r = {.ci = ci};

	assert(ci < j->layout.n_chunks);
	memcpy(r.digest, digest, sizeof r.digest);
	lock_acquire(&j->lock);
	while (state_of(j, ci) == NONE && j->n_queue == QUEUE_MAX)
		advance_locked(j);
	if (state_of(j, ci) == NONE) {
		enqueue_locked(j, &r);
		set_state_locked(j, ci, QUEUED);
	}
	lock_release(&j->lock);
}

static bool all_dirty(const struct journal *j, uint64_t first, uint64_t end)
{
	for (uint64_t ci = first; ci < end; ci++)
		if (state_of(j, ci) != DIRTY)
			return false;
	return true;
}

static void revoke_locked(struct journal *j, uint64_t ci)
{
	const struct record r = {.ci = ci, .is_dirty = true};

	lock_assert_held(&j->lock);
	while (j->n_queue == QUEUE_MAX)
		advance_locked(j);
	/* The lock may have been let go of: somebody else may have done it. */
	switch (state_of(j, ci)) {
	case NONE:
	case QUEUED:
		set_state_locked(j, ci, DIRTY);
		break;
	case WRITING:
	case CLEAN:
		enqueue_locked(j, &r);
		set_state_locked(j, ci, REVOKING);
		break;
	case REVOKING:
	case DIRTY:
		break;
	}
}

void journal_dirty(struct journal *j, uint64_t first, uint64_t end)
{
	assert(first < end && end <= j->layout.n_chunks);
	if (all_dirty(j, first, end))
		return;
	lock_acquire(&j->lock);
	for (uint64_t ci = first; ci < end; ci++)
		revoke_locked(j, ci);
	while (!all_dirty(j, first, end))
		advance_locked(j);
	lock_release(&j->lock);
}

void journal_forget(struct journal *j, uint64_t ci)
{
	journal_dirty(j, ci, ci + 1);
	lock_acquire(&j->lock);
	set_state_locked(j, ci, NONE);
	lock_release(&j->lock);
}

int journal_sync(struct journal *j)
{
	int err = 0;

	lock_acquire(&j->lock);
	while (err == 0 && (j->n_queue || j->is_busy)) {
		if (j->is_busy)
			cond_wait(&j->changed, &j->lock);
		else
			err = commit_locked(j);
	}
	lock_release(&j->lock);
	return err < 0 ? err : disk_flush(j->disk);
}

/* -- looking ------------------------------------------------------------------------------ */

bool journal_is_clean(const struct journal *j, uint64_t ci)
{
	return state_of(j, ci) == CLEAN;
}

bool journal_is_free(const struct journal *j, uint64_t ci)
{
	return state_of(j, ci) == NONE;
}

static int read_digest(struct journal *j, uint64_t ci, uint8_t *ret)
{
	struct record records[LAYOUT_RECORDS];
	uint32_t number = j->records[ci] - 1;
	uint64_t seq = number / LAYOUT_RECORDS;
	unsigned i = number % LAYOUT_RECORDS;
	int err, n;

	if (j->records[ci] == 0 || state_of(j, ci) != CLEAN)
		return -ENOENT;
	err = transfer(j->disk, false,
		       layout_journal_off(&j->layout, j->super.generation, seq), j->block,
		       LAYOUT_BLOCK);
	if (err < 0)
		return err;
	n = journal_block_decode(&j->super, seq, j->layout.n_chunks, j->block, records);
	if (n < 0 || i >= (unsigned)n || records[i].is_dirty || records[i].ci != ci)
		return -EBADMSG;
	memcpy(ret, records[i].digest, LAYOUT_DIGEST_BYTES);
	return 0;
}

int journal_digest(struct journal *j, uint64_t ci, uint8_t ret[LAYOUT_DIGEST_BYTES])
{
	int err;

	lock_acquire(&j->lock);
	become_busy_locked(j);
	lock_release(&j->lock);
	err = read_digest(j, ci, ret);
	lock_acquire(&j->lock);
	end_busy_locked(j);
	lock_release(&j->lock);
	return err;
}

void journal_stats(struct journal *j, struct journal_stats *ret)
{
	lock_acquire(&j->lock);
	become_busy_locked(j);
	*ret = (struct journal_stats){
		.n_clean = j->n_clean,
		.n_blocks = j->seq,
		.half_blocks = j->layout.half_blocks,
		.generation = j->super.generation,
		.err = j->err,
	};
	end_busy_locked(j);
	lock_release(&j->lock);
}

/* -- life --------------------------------------------------------------------------------- */

/* Writes what nobody waits for; woken by `queued`; ends when is_stopping is set. */
static void *journal_thread(void *arg)
{
	struct journal *j = arg;

	lock_acquire(&j->lock);
	while (!j->is_stopping) {
		if (j->n_queue == 0) {
			cond_wait(&j->queued, &j->lock);
			continue;
		}
		if (j->n_queue < LAYOUT_RECORDS)
			(void)!cond_wait_ms(&j->queued, &j->lock, IDLE_MS);
		if (!j->is_stopping && j->n_queue)
			advance_locked(j);
	}
	lock_release(&j->lock);
	return NULL;
}

int journal_start(struct journal *j)
{
	int err = thread_start(&j->thread, "journal", journal_thread, j);

	j->has_thread = err == 0;
	return err;
}

static void *zeros(uint64_t n_bytes)
{
	void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static struct journal *new_journal(struct disk *d, const struct super *s, void *states)
{
	struct journal *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	*j = (struct journal){.disk = d, .super = *s, .owns_states = !states};
	lock_init(&j->lock);
	cond_init(&j->changed);
	cond_init(&j->queued);
	if (layout_init(&j->layout, &s->image)) {
		j->states = states ? states : zeros(j->layout.n_chunks);
		j->records = zeros(j->layout.n_chunks * sizeof j->records[0]);
	}
	j->block = aligned_alloc(LAYOUT_BLOCK, LAYOUT_BLOCK);
	j->window = aligned_alloc(LAYOUT_BLOCK, WINDOW_BLOCKS * LAYOUT_BLOCK);
	if (j->states && j->records && j->block && j->window)
		return j;
	journal_close(j);
	return NULL;
}

/*
 * What a dead process left: its queue is lost, and what it was writing may be on the
 * device or not, which WRITING stands for.
 */
static void adopt_states(struct journal *j)
{
	lock_acquire(&j->lock);
	for (uint64_t ci = 0; ci < j->layout.n_chunks; ci++) {
		enum state state = state_of(j, ci);

		if (state == QUEUED)
			state = NONE;
		if (state == REVOKING || (state == CLEAN && j->records[ci] == 0))
			state = WRITING;
		atomic_store(&j->states[ci], (uint8_t)state);
		j->n_clean += counts_as_clean(state);
	}
	lock_release(&j->lock);
}

static int replay_number(struct journal *j, uint64_t number, const struct record *r,
			 void *ctx _unused_)
{
	j->records[r->ci] = r->is_dirty ? 0 : (uint32_t)number + 1;
	return 0;
}

int journal_open(struct disk *d, const struct layout_image *image, void *states,
		 bool is_adopted, struct journal **ret)
{
	struct journal *j;
	struct super s;
	int err = read_super(d, &s);

	if (err < 0)
		return err;
	if (memcmp(s.image.digest, image->digest, sizeof s.image.digest) != 0 ||
	    s.image.image_bytes != image->image_bytes ||
	    s.image.chunk_bytes != image->chunk_bytes)
		return -ESTALE;
	j = new_journal(d, &s, states);
	if (!j)
		return -ENOMEM;
	err = for_each_record(j, j->layout.half_blocks,
			      is_adopted ? replay_number : replay_record, NULL, &j->seq);
	if (err == 0 && is_adopted)
		adopt_states(j);
	/* Always anew: behind a block that was torn may lie old ones that are whole. */
	if (err == 0)
		err = begin_generation(j);
	if (err < 0) {
		journal_close(j);
		return err;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->has_thread) {
		lock_acquire(&j->lock);
		j->is_stopping = true;
		PTHREAD_OK(pthread_cond_signal(&j->queued));
		lock_release(&j->lock);
		PTHREAD_OK(pthread_join(j->thread, NULL));
	}
	if (j->n_queue && journal_sync(j) < 0)
		log_warning("store %s: the last records were not written", j->disk->path);
	if (j->states && j->owns_states)
		munmap(j->states, j->layout.n_chunks);
	if (j->records)
		munmap(j->records, j->layout.n_chunks * sizeof j->records[0]);
	free(j->block);
	free(j->window);
	PTHREAD_OK(pthread_cond_destroy(&j->changed));
	PTHREAD_OK(pthread_cond_destroy(&j->queued));
	lock_fini(&j->lock);
	free(j);
}
