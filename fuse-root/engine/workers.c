/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workers.c - see workers.h
 */
#include "engine/workers.h"

#include <errno.h>
#include <inttypes.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/numa.h"
#include "base/thread.h"

#define WORKERS_MAX 16u
#define COMPARE_BLOCKS 16u

/* Owned by one worker thread. */
struct worker {
	struct workers *all;
	pthread_t thread;
	struct img_decoder *decoder;
	uint8_t *stored; /* private copy of the zstd frame */
	uint8_t *raw; /* the expanded chunk or hot frame, aligned for the store */
	uint8_t *there; /* COMPARE_BLOCKS out of the store */
	uint8_t valid[IMG_CHUNK_BYTES_MAX / IMG_BLOCK_BYTES / 8];
	uint8_t packed[IMG_CHUNK_BYTES_MAX / IMG_BLOCK_BYTES / 8];
};

struct workers {
	/* set before threads start */
	struct engine_config config;
	void (*wake)(void *ctx);
	void *wake_ctx;
	unsigned n_started;
	struct worker worker[WORKERS_MAX];

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t work_added;
	struct worker_job jobs[WORKERS_JOBS_MAX];
	unsigned first_job, n_jobs;
	struct worker_result results[WORKERS_JOBS_MAX];
	unsigned n_results;
	struct chunk_waiter *resumable;
	bool is_stopping;
};

static int init_worker(struct workers *w, struct worker *one)
{
	uint32_t chunk_bytes = (uint32_t)max_u64(img_info(w->config.img)->chunk_bytes,
						 IMG_HOT_FRAME_RAW_MAX);

	one->all = w;
	one->decoder = img_decoder_new();
	one->stored = malloc(img_stored_bytes_max(chunk_bytes));
	one->raw = aligned_alloc(IMG_BLOCK_BYTES, chunk_bytes);
	one->there = aligned_alloc(IMG_BLOCK_BYTES, COMPARE_BLOCKS * IMG_BLOCK_BYTES);
	return one->decoder && one->stored && one->raw && one->there ? 0 : -ENOMEM;
}

int workers_new(const struct engine_config *config, void (*wake)(void *ctx), void *ctx,
		struct workers **ret)
{
	struct workers *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	assert(config->n_workers >= 1 && config->n_workers <= WORKERS_MAX);
	w->config = *config;
	w->wake = wake;
	w->wake_ctx = ctx;
	lock_init(&w->lock);
	cond_init(&w->work_added);
	for (unsigned i = 0; i < config->n_workers; i++)
		if (init_worker(w, &w->worker[i]) < 0) {
			workers_free(w);
			return -ENOMEM;
		}
	*ret = w;
	return 0;
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	assert(w->n_started == 0);
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		img_decoder_free(w->worker[i].decoder);
		free(w->worker[i].stored);
		free(w->worker[i].raw);
		free(w->worker[i].there);
	}
	PTHREAD_OK(pthread_cond_destroy(&w->work_added));
	lock_fini(&w->lock);
	free(w);
}

/* -- one job ------------------------------------------------------------------------------ */

static bool bit_is_set(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* Blocks [first, end) of chunk ci, raw[0] being the first of them. */
struct stretch {
	uint64_t ci;
	uint32_t first, end;
	uint8_t *raw;
};

/* Write the runs of blocks that are not valid yet, STORE_IO_MAX runs at a time. */
static int store_missing(struct worker *one, const struct stretch *s)
{
	uint64_t start = s->ci * img_info(one->all->config.img)->chunk_bytes;
	struct store_io io[STORE_IO_MAX];
	unsigned n = 0;
	int err = 0;

	for (uint32_t b = s->first; err == 0 && b < s->end;) {
		uint32_t end = b;

		while (end < s->end && !bit_is_set(one->valid, end))
			end++;
		if (end > b)
			io[n++] = (struct store_io){
				.slot_off = start + (uint64_t)b * IMG_BLOCK_BYTES,
				.buf = s->raw + (size_t)(b - s->first) * IMG_BLOCK_BYTES,
				.n_bytes = (end - b) * IMG_BLOCK_BYTES,
			};
		b = end + 1;
		if (n == STORE_IO_MAX || (n && b >= s->end)) {
			err = store_write(one->all->config.store, io, n);
			n = 0;
		}
	}
	return err;
}

/* Of n blocks from `first` on, which differ from the store's?  They are made not valid. */
static int compare_blocks(struct worker *one, const struct stretch *s, uint32_t first,
			  uint32_t n, uint32_t *n_wrong, uint32_t *first_wrong)
{
	uint64_t start = s->ci * img_info(one->all->config.img)->chunk_bytes;
	struct store_io io = {
		.slot_off = start + (uint64_t)first * IMG_BLOCK_BYTES,
		.buf = one->there,
		.n_bytes = n * IMG_BLOCK_BYTES,
	};
	int err = store_read(one->all->config.store, &io, 1);

	for (uint32_t i = 0; err == 0 && i < n; i++) {
		const uint8_t *right =
			s->raw + (size_t)(first + i - s->first) * IMG_BLOCK_BYTES;

		if (memcmp(one->there + (size_t)i * IMG_BLOCK_BYTES, right,
			   IMG_BLOCK_BYTES) == 0)
			continue;
		one->valid[(first + i) / 8] &= (uint8_t) ~(1u << ((first + i) % 8));
		if ((*n_wrong)++ == 0)
			*first_wrong = first + i;
	}
	return err;
}

/* The chunk's blocks are the right ones: what the hot pack brought is held against them. */
static int compare_packed(struct worker *one, const struct stretch *s)
{
	uint32_t n_wrong = 0, first_wrong = 0;
	int err = 0;

	if (!chunkmap_store_packed(one->all->config.cm, s->ci, one->packed))
		return 0;
	for (uint32_t b = s->first; err == 0 && b < s->end;) {
		uint32_t end = b;

		while (end < s->end && end - b < COMPARE_BLOCKS &&
		       bit_is_set(one->packed, end))
			end++;
		if (end > b)
			err = compare_blocks(one, s, b, end - b, &n_wrong, &first_wrong);
		b = end > b ? end : b + 1;
	}
	if (n_wrong)
		log_warning("hot pack: chunk %" PRIu64
			    ": block %u and %u more differ from "
			    "the image: replaced by the image's",
			    s->ci, first_wrong, n_wrong - 1);
	return err;
}

static void do_chunk(struct worker *one, const struct worker_job *job,
		     struct worker_result *ret)
{
	const struct engine_config *config = &one->all->config;
	const struct img_chunk *chunk = &job->chunk;
	const struct stretch s = {chunk->ci, 0, chunk->raw_bytes / IMG_BLOCK_BYTES,
				  one->raw};
	struct chunk_waiter *list;

	memcpy(one->stored, job->data, chunk->stored_bytes);
	ret->img_err = img_chunk_decode(one->decoder, chunk, one->stored,
					chunk->stored_bytes, one->raw, chunk->raw_bytes);
	if (ret->img_err < 0)
		return;
	chunkmap_store_begin(config->cm, chunk->ci, one->valid);
	ret->store_err = compare_packed(one, &s);
	if (ret->store_err == 0)
		ret->store_err = store_missing(one, &s);
	list = chunkmap_store_end(config->cm, chunk->ci, ret->store_err == 0);
	if (list)
		config->resume(config->ctx, list);
	/* Behind the readers' back: a persistent store hashes it. */
	if (ret->store_err == 0)
		store_chunk_stored(config->store, chunk->ci, one->raw, chunk->raw_bytes);
}

/* One run of the hot pack: those of its blocks that nobody has brought or written yet. */
static int store_run(struct worker *one, const struct img_hot_run *run, uint8_t *raw)
{
	const struct engine_config *config = &one->all->config;
	const struct stretch s = {run->ci, run->first_block,
				  run->first_block + run->n_blocks, raw};
	struct chunk_waiter *list;
	int err;

	if (!chunkmap_part_begin(config->cm, run->ci, one->valid))
		return 0;
	err = store_missing(one, &s);
	list = chunkmap_part_end(config->cm, run->ci, run->first_block, run->n_blocks,
				 err == 0);
	if (list)
		config->resume(config->ctx, list);
	return err;
}

/*
 * A pack is a guess: it takes three quarters of the room, and makes none.  What a boot
 * reads first comes first in it, so the rest is what can be done without.
 */
static bool has_room_for_hot(const struct engine_config *config, uint32_t n_bytes)
{
	struct store_usage usage;

	store_usage(config->store, &usage);
	return usage.limit_bytes == 0 ||
	       usage.used_bytes + n_bytes <= usage.limit_bytes / 4 * 3;
}

static void do_hot_frame(struct worker *one, const struct worker_job *job,
			 struct worker_result *ret)
{
	const struct img_hot_frame *frame = &job->hot->frames[job->frame];
	uint8_t *raw = one->raw;

	if (!has_room_for_hot(&one->all->config, IMG_HOT_FRAME_RAW_MAX)) {
		ret->store_err = -ENOSPC;
		return;
	}
	memcpy(one->stored, job->data, frame->stored_bytes);
	ret->img_err = img_hot_frame_decode(one->decoder, frame, one->stored,
					    frame->stored_bytes, one->raw);
	for (uint32_t i = 0;
	     ret->img_err == 0 && ret->store_err == 0 && i < frame->n_runs; i++) {
		const struct img_hot_run *run = &job->hot->runs[frame->first_run + i];

		ret->store_err = store_run(one, run, raw);
		raw += (size_t)run->n_blocks * IMG_BLOCK_BYTES;
	}
}

static void do_job(struct worker *one, const struct worker_job *job,
		   struct worker_result *ret)
{
	*ret = (struct worker_result){
		.is_hot = job->hot,
		.frame = job->frame,
		.ci = job->chunk.ci,
		.fetch = job->fetch,
		.server = job->server,
		.src_off = job->chunk.src_off,
	};
	if (job->hot)
		do_hot_frame(one, job, ret);
	else
		do_chunk(one, job, ret);
}

/* -- the threads -------------------------------------------------------------------------- */

enum work { WORK_STOP, WORK_JOB, WORK_RESUME };

static enum work wait_for_work(struct workers *w, struct worker_job *ret_job,
			       struct chunk_waiter **ret_list)
{
	enum work work = WORK_STOP;

	lock_acquire(&w->lock);
	while (!w->is_stopping && !w->resumable && w->n_jobs == 0)
		cond_wait(&w->work_added, &w->lock);
	if (w->resumable) {
		*ret_list = steal_pointer(&w->resumable);
		work = WORK_RESUME;
	} else if (!w->is_stopping) {
		*ret_job = w->jobs[w->first_job];
		w->first_job = (w->first_job + 1) % WORKERS_JOBS_MAX;
		w->n_jobs--;
		work = WORK_JOB;
	}
	lock_release(&w->lock);
	return work;
}

static void add_result(struct workers *w, const struct worker_result *result)
{
	lock_acquire(&w->lock);
	assert(w->n_results < WORKERS_JOBS_MAX);
	w->results[w->n_results++] = *result;
	lock_release(&w->lock);
	w->wake(w->wake_ctx);
}

/* Owns its struct worker; woken by work_added; ends when is_stopping is set. */
static void *worker_thread(void *arg)
{
	struct worker *one = arg;
	struct workers *w = one->all;
	struct chunk_waiter *list;
	struct worker_result result;
	struct worker_job job;

	numa_interleave_thread();
	for (;;) {
		switch (wait_for_work(w, &job, &list)) {
		case WORK_JOB:
			do_job(one, &job, &result);
			add_result(w, &result);
			break;
		case WORK_RESUME:
			w->config.resume(w->config.ctx, list);
			break;
		case WORK_STOP:
			return NULL;
		}
	}
}

int workers_start(struct workers *w)
{
	for (unsigned i = 0; i < w->config.n_workers; i++) {
		int err = thread_start(&w->worker[i].thread, "worker", worker_thread,
				       &w->worker[i]);

		if (err < 0) {
			workers_stop(w);
			return err;
		}
		w->n_started++;
	}
	return 0;
}

void workers_stop(struct workers *w)
{
	lock_acquire(&w->lock);
	w->is_stopping = true;
	PTHREAD_OK(pthread_cond_broadcast(&w->work_added));
	lock_release(&w->lock);
	for (; w->n_started; w->n_started--)
		PTHREAD_OK(pthread_join(w->worker[w->n_started - 1].thread, NULL));
}

void workers_push(struct workers *w, const struct worker_job *job)
{
	lock_acquire(&w->lock);
	assert(w->n_jobs < WORKERS_JOBS_MAX);
	w->jobs[(w->first_job + w->n_jobs++) % WORKERS_JOBS_MAX] = *job;
	PTHREAD_OK(pthread_cond_signal(&w->work_added));
	lock_release(&w->lock);
}

void workers_resume(struct workers *w, struct chunk_waiter *list)
{
	struct chunk_waiter *last = list;

	if (!list)
		return;
	while (last->next)
		last = last->next;
	lock_acquire(&w->lock);
	last->next = w->resumable;
	w->resumable = list;
	PTHREAD_OK(pthread_cond_signal(&w->work_added));
	lock_release(&w->lock);
}

unsigned workers_results(struct workers *w, struct worker_result *ret, unsigned max)
{
	unsigned n;

	lock_acquire(&w->lock);
	n = (unsigned)min_u64(w->n_results, max);
	memcpy(ret, w->results, n * sizeof *ret);
	w->n_results -= n;
	memmove(w->results, w->results + n, w->n_results * sizeof *ret);
	lock_release(&w->lock);
	return n;
}
