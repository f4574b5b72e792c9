/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recheck.c - see recheck.h
 */
#include "engine/recheck.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/syscall.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"

#define THREADS_MAX 4u
#define BLOCK 4096u

/* linux/ioprio.h is missing in older headers. */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_BEST_EFFORT_LOWEST (2 << 13 | 7)

/* Owned by one thread. */
struct checker {
	struct recheck *all;
	pthread_t thread;
	uint8_t *chunk;
};

struct recheck {
	/* set before threads start */
	struct recheck_config config;
	uint64_t n_present;
	struct checker checker[THREADS_MAX];
	unsigned n_started;

	atomic_bool is_stopping;
	atomic_uint n_running;
	atomic_uint_fast64_t n_right, n_wrong;
};

static uint32_t chunk_length(const struct recheck_config *config, uint64_t ci)
{
	return (uint32_t)min_u64(config->chunk_bytes,
				 config->image_bytes - ci * config->chunk_bytes);
}

/* Logged in full the first time; a store that lost all of them would fill the log. */
static void say_wrong(struct recheck *r, uint64_t ci, int err)
{
	uint64_t n_before = atomic_fetch_add(&r->n_wrong, 1);

	if (n_before == 0)
		log_warning("store %s: chunk %" PRIu64 ": %s: it is fetched again",
			    r->config.store->device, ci,
			    err == -ESTALE ? "not what was stored" : strerror(-err));
}

static void check(struct checker *one, uint64_t ci)
{
	const struct recheck_config *config = &one->all->config;
	struct store *s = config->store;
	struct chunk_waiter *list;
	int err = s->ops->persistence->check_chunk(s, ci, one->chunk,
						   chunk_length(config, ci));

	if (err < 0)
		say_wrong(one->all, ci, err);
	else
		atomic_fetch_add(&one->all->n_right, 1);
	list = chunkmap_check_end(config->cm, ci, err == 0);
	if (list)
		config->resume(config->ctx, list);
}

static void say_result(struct recheck *r)
{
	uint64_t n_right = atomic_load(&r->n_right), n_wrong = atomic_load(&r->n_wrong);

	log_notice("store %s: looked at %" PRIu64 " chunks: %" PRIu64
		   " are right, %" PRIu64 " are fetched again",
		   r->config.store->device, n_right + n_wrong, n_right, n_wrong);
}

/*
 * Owns its struct checker; takes one chunk after another; ends when none is left or
 * is_stopping is set.
 */
static void *checker_thread(void *arg)
{
	struct checker *one = arg;
	struct recheck *r = one->all;
	uint64_t cursor = 0, ci;

	/* Reads of the running system go first on the same disk. */
	(void)!syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LOWEST);
	while (!atomic_load(&r->is_stopping) &&
	       chunkmap_check_begin(r->config.cm, &cursor, &ci))
		check(one, ci);
	if (atomic_fetch_sub(&r->n_running, 1) == 1 && !atomic_load(&r->is_stopping))
		say_result(r);
	return NULL;
}

static uint64_t mark_present(const struct recheck_config *config)
{
	uint64_t n_chunks = div_round_up(config->image_bytes, config->chunk_bytes), n = 0;
	struct store *s = config->store;

	for (uint64_t ci = 0; ci < n_chunks; ci++) {
		if (s->ops->persistence->has_chunk(s, ci))
			n += chunkmap_mark_present(config->cm, ci);
	}
	return n;
}

int recheck_new(const struct recheck_config *config, struct recheck **ret)
{
	struct recheck *r;

	*ret = NULL;
	if (!store_is_persistent(config->store))
		return 0;
	assert(config->n_threads >= 1 && config->n_threads <= THREADS_MAX);
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->config = *config;
	atomic_init(&r->is_stopping, false);
	atomic_init(&r->n_running, 0);
	atomic_init(&r->n_right, 0);
	atomic_init(&r->n_wrong, 0);
	for (unsigned i = 0; i < config->n_threads; i++) {
		r->checker[i].all = r;
		r->checker[i].chunk = aligned_alloc(BLOCK, config->chunk_bytes);
		if (!r->checker[i].chunk) {
			recheck_free(r);
			return -ENOMEM;
		}
	}
	r->n_present = mark_present(config);
	*ret = r;
	return 0;
}

int recheck_start(struct recheck *r)
{
	int err = 0;

	if (!r || r->n_present == 0)
		return 0;
	atomic_store(&r->n_running, r->config.n_threads);
	while (err == 0 && r->n_started < r->config.n_threads) {
		struct checker *one = &r->checker[r->n_started];

		err = thread_start(&one->thread, "recheck", checker_thread, one);
		r->n_started += err == 0;
	}
	if (err < 0)
		recheck_stop(r);
	return err;
}

void recheck_stop(struct recheck *r)
{
	if (!r)
		return;
	atomic_store(&r->is_stopping, true);
	for (; r->n_started; r->n_started--)
		PTHREAD_OK(pthread_join(r->checker[r->n_started - 1].thread, NULL));
	chunkmap_forget_present(r->config.cm);
}

void recheck_free(struct recheck *r)
{
	if (!r)
		return;
	assert(r->n_started == 0);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		free(r->checker[i].chunk);
	free(r);
}

void recheck_stats(struct recheck *r, struct recheck_stats *ret)
{
	*ret = (struct recheck_stats){0};
	if (r)
		*ret = (struct recheck_stats){
			.n_present = r->n_present,
			.n_right = atomic_load(&r->n_right),
			.n_wrong = atomic_load(&r->n_wrong),
		};
}
