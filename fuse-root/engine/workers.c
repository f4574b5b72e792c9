/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workers.c - see workers.h
 */
#include "engine/workers.h"

#include <errno.h>

#include "base/lock.h"
#include "base/thread.h"

#define WORKERS_MAX 16u

/* Owned by one worker thread. */
struct worker {
	struct workers *all;
	pthread_t thread;
	struct img_decoder *decoder;
	uint8_t *stored; /* private copy of the zstd frame */
	uint8_t *raw; /* the expanded chunk, aligned for the store */
	uint8_t valid[IMG_CHUNK_BYTES_MAX / IMG_BLOCK_BYTES / 8];
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
	uint32_t chunk_bytes = img_info(w->config.img)->chunk_bytes;

	one->all = w;
	one->decoder = img_decoder_new();
	one->stored = malloc(img_stored_bytes_max(chunk_bytes));
	one->raw = aligned_alloc(IMG_BLOCK_BYTES, chunk_bytes);
	return one->decoder && one->stored && one->raw ? 0 : -ENOMEM;
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
	}
	PTHREAD_OK(pthread_cond_destroy(&w->work_added));
	lock_fini(&w->lock);
	free(w);
}

/* -- one job ------------------------------------------------------------------------------ */

static bool block_is_valid(const struct worker *one, uint32_t block)
{
	return one->valid[block / 8] >> (block % 8) & 1;
}

/* Write the runs of blocks that are not valid yet, STORE_IO_MAX runs at a time. */
static int store_missing(struct worker *one, const struct img_chunk *chunk)
{
	uint64_t start = chunk->ci * img_info(one->all->config.img)->chunk_bytes;
	uint32_t n_blocks = chunk->raw_bytes / IMG_BLOCK_BYTES;
	struct store_io io[STORE_IO_MAX];
	unsigned n = 0;
	int err = 0;

	for (uint32_t b = 0; err == 0 && b < n_blocks;) {
		uint32_t end = b;

		while (end < n_blocks && !block_is_valid(one, end))
			end++;
		if (end > b)
			io[n++] = (struct store_io){
				.slot_off = start + (uint64_t)b * IMG_BLOCK_BYTES,
				.buf = one->raw + (size_t)b * IMG_BLOCK_BYTES,
				.n_bytes = (end - b) * IMG_BLOCK_BYTES,
			};
		b = end + 1;
		if (n == STORE_IO_MAX || (n && b >= n_blocks)) {
			err = store_write(one->all->config.store, io, n);
			n = 0;
		}
	}
	return err;
}

static void do_job(struct worker *one, const struct worker_job *job,
		   struct worker_result *ret)
{
	const struct engine_config *config = &one->all->config;
	const struct img_chunk *chunk = &job->chunk;
	struct chunk_waiter *list;

	*ret = (struct worker_result){
		.ci = chunk->ci,
		.fetch = job->fetch,
		.server = job->server,
		.src_off = chunk->src_off,
	};
	memcpy(one->stored, job->data, chunk->stored_bytes);
	ret->img_err = img_chunk_decode(one->decoder, chunk, one->stored,
					chunk->stored_bytes, one->raw, chunk->raw_bytes);
	if (ret->img_err < 0)
		return;
	chunkmap_store_begin(config->cm, chunk->ci, one->valid);
	ret->store_err = store_missing(one, chunk);
	list = chunkmap_store_end(config->cm, chunk->ci, ret->store_err == 0);
	if (list)
		config->resume(config->ctx, list);
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
