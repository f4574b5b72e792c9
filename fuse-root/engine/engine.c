/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - the engine thread: wait for the source, hand out, ask for more
 */
#include "engine/engine.h"

#include <errno.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/fetch.h"
#include "engine/workers.h"

#define EVENTS_MAX 32u
#define RESULTS_MAX 64u
#define WAIT_MAX_MS 60000

struct engine {
	/* set before threads start */
	struct engine_config config;
	struct workers *workers;
	bool is_started;
	pthread_t thread;

	/* owned by the engine thread */
	struct fetcher fetcher;

	/* guarded by lock */
	struct lock lock;
	bool is_stopping;
	bool is_paused;
	bool has_new_rate;
	uint64_t rate_bytes;
	int64_t fill_hold_ms; /* not before */
	bool is_filling;
	bool is_complete; /* since it fills */
	struct engine_stats stats; /* copy of the fetcher's */
};

static void wake_source(void *ctx)
{
	struct engine *e = ctx;

	source_wake(e->config.source);
}

int engine_new(const struct engine_config *config, const uint8_t *first, size_t n_first,
	       struct engine **ret)
{
	struct engine *e = calloc(1, sizeof *e);
	int err;

	if (!e)
		return -ENOMEM;
	e->config = *config;
	e->is_filling = config->fill;
	lock_init(&e->lock);
	err = workers_new(config, wake_source, e, &e->workers);
	if (err == 0)
		err = fetcher_init(&e->fetcher, config, e->workers);
	if (err < 0) {
		engine_free(e);
		return err;
	}
	e->rate_bytes = config->rate_bytes;
	fill_init(&e->fetcher.fill, config->rate_bytes, clock_ms());
	fetcher_seed(&e->fetcher, first, n_first);
	*ret = e;
	return 0;
}

/* False when the thread is to end. */
static bool exchange_state(struct engine *e)
{
	bool go_on, has_new_rate;
	uint64_t rate_bytes;

	lock_acquire(&e->lock);
	e->fetcher.stats.is_paused = e->is_paused;
	e->fetcher.config.fill = e->is_filling;
	e->fetcher.fill_hold_ms = e->fill_hold_ms;
	has_new_rate = e->has_new_rate;
	rate_bytes = e->rate_bytes;
	e->has_new_rate = false;
	go_on = !e->is_stopping;
	lock_release(&e->lock);
	if (has_new_rate)
		fill_set_rate(&e->fetcher.fill, rate_bytes, clock_ms());
	return go_on;
}

/* Before it waits: what the last result changed is to be seen, too. */
static void publish_stats(struct engine *e)
{
	lock_acquire(&e->lock);
	e->stats = e->fetcher.stats;
	e->stats.is_paused = e->is_paused;
	lock_release(&e->lock);
}

static void take_results(struct engine *e)
{
	struct worker_result results[RESULTS_MAX];
	unsigned n;

	do {
		n = workers_results(e->workers, results, RESULTS_MAX);
		for (unsigned i = 0; i < n; i++)
			fetcher_result(&e->fetcher, &results[i], clock_ms());
	} while (n == RESULTS_MAX);
}

static void note_completion(struct engine *e)
{
	bool is_complete = chunkmap_is_complete(e->config.cm);

	lock_acquire(&e->lock);
	is_complete = is_complete && e->is_filling && !e->is_complete;
	e->is_complete = e->is_complete || is_complete;
	lock_release(&e->lock);
	if (is_complete)
		e->config.complete(e->config.ctx);
}

static int64_t expire_reads(struct engine *e)
{
	return e->config.expire ? e->config.expire(e->config.ctx) : -1;
}

/*
 * Owns the fetcher and the source; woken by events of the source, by source_wake after a read
 * has begun to wait or a worker has a result, and by time; ends when is_stopping is set.
 */
static void *engine_thread(void *arg)
{
	struct engine *e = arg;
	struct source_event events[EVENTS_MAX];

	while (exchange_state(e)) {
		int64_t timeout_ms;
		int n;

		take_results(e);
		timeout_ms = expire_reads(e);
		timeout_ms =
			clock_sooner(timeout_ms, fetcher_submit(&e->fetcher, clock_ms()));
		publish_stats(e);
		note_completion(e);
		if (timeout_ms > WAIT_MAX_MS)
			timeout_ms = WAIT_MAX_MS;
		n = source_wait(e->config.source, (int)timeout_ms, events, EVENTS_MAX);
		for (int i = 0; i < n; i++)
			fetcher_event(&e->fetcher, &events[i], clock_ms());
	}
	return NULL;
}

int engine_start(struct engine *e)
{
	int err = workers_start(e->workers);

	if (err < 0)
		return err;
	err = thread_start(&e->thread, "engine", engine_thread, e);
	if (err < 0) {
		workers_stop(e->workers);
		return err;
	}
	e->is_started = true;
	return 0;
}

void engine_stop(struct engine *e)
{
	if (!e->is_started)
		return;
	lock_acquire(&e->lock);
	e->is_stopping = true;
	lock_release(&e->lock);
	source_wake(e->config.source);
	PTHREAD_OK(pthread_join(e->thread, NULL));
	workers_stop(e->workers);
	e->is_started = false;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	engine_stop(e);
	fetcher_fini(&e->fetcher);
	workers_free(e->workers);
	lock_fini(&e->lock);
	free(e);
}

void engine_pause(struct engine *e, bool paused)
{
	lock_acquire(&e->lock);
	e->is_paused = paused;
	e->stats.is_paused = paused;
	lock_release(&e->lock);
	source_wake(e->config.source);
}

void engine_hold_fill(struct engine *e, int64_t delay_ms)
{
	lock_acquire(&e->lock);
	e->fill_hold_ms = clock_ms() + delay_ms;
	lock_release(&e->lock);
	source_wake(e->config.source);
}

void engine_set_fill(struct engine *e, bool fill)
{
	lock_acquire(&e->lock);
	e->is_filling = fill;
	e->is_complete = false;
	lock_release(&e->lock);
	source_wake(e->config.source);
}

void engine_set_rate(struct engine *e, uint64_t rate_bytes)
{
	lock_acquire(&e->lock);
	e->has_new_rate = true;
	e->rate_bytes = rate_bytes;
	lock_release(&e->lock);
	source_wake(e->config.source);
}

void engine_note_read(struct engine *e, uint64_t img_off, uint64_t n_bytes, bool missed)
{
	if (ahead_note(e->fetcher.ahead, img_off, n_bytes, missed))
		source_wake(e->config.source);
}

void engine_stats(struct engine *e, struct engine_stats *ret)
{
	lock_acquire(&e->lock);
	*ret = e->stats;
	lock_release(&e->lock);
}
