/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.c - see journal.h; the states are in journal_internal.h
 */
#include "store/journal_internal.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/thread.h"

#define IDLE_MS 1000 /* a record waits this long for company */

void journal_set_state_locked(struct journal *j, uint64_t ci, enum state state)
{
	lock_assert_held(&j->lock);
	j->n_clean -= journal_counts_as_clean(journal_state(j, ci));
	j->n_clean += journal_counts_as_clean(state);
	atomic_store_explicit(&j->states[ci], (uint8_t)state, memory_order_release);
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

		if (!r->is_dirty && journal_state(j, r->ci) != QUEUED)
			continue;
		if (!r->is_dirty)
			journal_set_state_locked(j, r->ci, WRITING);
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
		err = journal_begin_generation(j);
	/* The data first: a record says that it is there. */
	if (err == 0 && any_stored)
		err = disk_flush(j->disk);
	if (err < 0)
		return err;
	off = layout_journal_off(&j->layout, j->super.generation, j->seq);
	journal_block_encode(&j->super, j->seq, j->batch, n, j->block);
	err = journal_transfer(j->disk, true, off, j->block, LAYOUT_BLOCK);
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
			journal_set_state_locked(j, ci, DIRTY);
		else if (journal_state(j, ci) == WRITING && err == 0)
			journal_set_state_locked(j, ci, CLEAN);
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
	while (journal_state(j, ci) == NONE && j->n_queue == QUEUE_MAX)
		advance_locked(j);
	if (journal_state(j, ci) == NONE) {
		enqueue_locked(j, &r);
		journal_set_state_locked(j, ci, QUEUED);
	}
	lock_release(&j->lock);
}

static bool all_dirty(const struct journal *j, uint64_t first, uint64_t end)
{
	for (uint64_t ci = first; ci < end; ci++)
		if (journal_state(j, ci) != DIRTY)
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
	switch (journal_state(j, ci)) {
	case NONE:
	case QUEUED:
		journal_set_state_locked(j, ci, DIRTY);
		break;
	case WRITING:
	case CLEAN:
		enqueue_locked(j, &r);
		journal_set_state_locked(j, ci, REVOKING);
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
	journal_set_state_locked(j, ci, NONE);
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
	return journal_state(j, ci) == CLEAN;
}

bool journal_is_free(const struct journal *j, uint64_t ci)
{
	return journal_state(j, ci) == NONE;
}

static int read_digest(struct journal *j, uint64_t ci, uint8_t *ret)
{
	struct record records[LAYOUT_RECORDS];
	uint32_t number = j->records[ci] - 1;
	uint64_t seq = number / LAYOUT_RECORDS;
	unsigned i = number % LAYOUT_RECORDS;
	int err, n;

	if (j->records[ci] == 0 || journal_state(j, ci) != CLEAN)
		return -ENOENT;
	err = journal_transfer(j->disk, false,
			       layout_journal_off(&j->layout, j->super.generation, seq),
			       j->block, LAYOUT_BLOCK);
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

int journal_open(struct disk *d, const struct layout_image *image, void *states,
		 bool is_adopted, struct journal **ret)
{
	struct journal *j;
	struct super s;
	int err = journal_read_super(d, &s);

	if (err < 0)
		return err;
	if (memcmp(s.image.digest, image->digest, sizeof s.image.digest) != 0 ||
	    s.image.image_bytes != image->image_bytes ||
	    s.image.chunk_bytes != image->chunk_bytes)
		return -ESTALE;
	j = new_journal(d, &s, states);
	if (!j)
		return -ENOMEM;
	err = journal_replay(j, is_adopted);
	/* Always anew: behind a block that was torn may lie old ones that are whole. */
	if (err == 0)
		err = journal_begin_generation(j);
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
