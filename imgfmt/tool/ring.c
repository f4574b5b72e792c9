/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c - a ring of slots between one thread that fills and drains and several that work
 *
 * The main thread goes round the ring: it drains what the slot holds from the last round,
 * waiting for it if need be, and fills the slot anew.  Workers take FULL slots, oldest
 * first, and make them DONE.  They end when `stop` is set.
 */
#include "imgfmt/tool/ring.h"

#include <pthread.h>

#include "imgfmt/tool/tool.h"

enum slot_state {
	SLOT_EMPTY, /* the main thread's */
	SLOT_FULL, /* waits for a worker */
	SLOT_BUSY, /* a worker's */
	SLOT_DONE, /* the main thread's again */
};

struct ring {
	/* set before threads start */
	const struct ring_ops *ops;
	void *arg;
	unsigned n_slots, n_jobs;
	uint8_t *slots; /* each owned by whoever its state says */

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t slot_filled, slot_done;
	enum slot_state *states;
	unsigned next_filled; /* the slot that the main thread fills next */
	bool stop;

	/* owned by the main thread */
	pthread_t *threads;
	unsigned n_threads;
};

static void check(int pthread_error)
{
	if (pthread_error != 0)
		abort(); /* our bug, never bad input */
}

static void *slot_at(const struct ring *ring, unsigned i)
{
	return ring->slots + (size_t)i * ring->ops->slot_bytes;
}

/* Oldest first: from where the main thread fills next.  n_slots when there is none. */
static unsigned find_full_slot_locked(const struct ring *ring)
{
	for (unsigned i = 0; i < ring->n_slots; i++) {
		unsigned at = (ring->next_filled + i) % ring->n_slots;

		if (ring->states[at] == SLOT_FULL)
			return at;
	}
	return ring->n_slots;
}

/* False when it is time to end. */
static bool take_full_slot(struct ring *ring, unsigned *ret)
{
	bool taken;

	check(pthread_mutex_lock(&ring->lock));
	while (!ring->stop && (*ret = find_full_slot_locked(ring)) == ring->n_slots)
		check(pthread_cond_wait(&ring->slot_filled, &ring->lock));
	taken = !ring->stop;
	if (taken)
		ring->states[*ret] = SLOT_BUSY;
	check(pthread_mutex_unlock(&ring->lock));
	return taken;
}

static void finish_slot(struct ring *ring, unsigned at)
{
	check(pthread_mutex_lock(&ring->lock));
	ring->states[at] = SLOT_DONE;
	check(pthread_cond_signal(&ring->slot_done));
	check(pthread_mutex_unlock(&ring->lock));
}

/* A worker.  Owns what worker_new made; woken by slot_filled; ends when `stop` is set. */
static void *run_worker(void *arg)
{
	struct ring *ring = arg;
	void *worker = ring->ops->worker_new(ring->arg);
	unsigned at;

	while (take_full_slot(ring, &at)) {
		ring->ops->work(ring->arg, worker, slot_at(ring, at));
		finish_slot(ring, at);
	}
	ring->ops->worker_free(worker);
	return NULL;
}

/* Wait until the slot is worked off, drain it, and make it empty. */
static int drain_slot(struct ring *ring, unsigned at)
{
	bool is_empty;

	check(pthread_mutex_lock(&ring->lock));
	while (ring->states[at] == SLOT_FULL || ring->states[at] == SLOT_BUSY)
		check(pthread_cond_wait(&ring->slot_done, &ring->lock));
	is_empty = ring->states[at] == SLOT_EMPTY;
	ring->states[at] = SLOT_EMPTY;
	check(pthread_mutex_unlock(&ring->lock));
	return is_empty ? EXIT_DONE : ring->ops->drain(ring->arg, slot_at(ring, at));
}

static int fill_slot(struct ring *ring, unsigned at, bool *ret_end)
{
	enum ring_fill filled = RING_END;
	int r = ring->ops->fill(ring->arg, slot_at(ring, at), &filled);

	*ret_end = r != EXIT_DONE || filled == RING_END;
	if (*ret_end)
		return r;
	check(pthread_mutex_lock(&ring->lock));
	ring->states[at] = filled == RING_WORK ? SLOT_FULL : SLOT_DONE;
	ring->next_filled = (at + 1) % ring->n_slots;
	if (filled == RING_WORK)
		check(pthread_cond_signal(&ring->slot_filled));
	check(pthread_mutex_unlock(&ring->lock));
	return EXIT_DONE;
}

static int go_round(struct ring *ring)
{
	unsigned at = 0;
	bool end = false;
	int r = EXIT_DONE, drained = EXIT_DONE;

	for (; drained == EXIT_DONE && !end; at = (at + 1) % ring->n_slots) {
		drained = drain_slot(ring, at);
		if (drained == EXIT_DONE)
			r = fill_slot(ring, at, &end);
	}
	for (unsigned i = 0; drained == EXIT_DONE && i < ring->n_slots; i++)
		drained = drain_slot(ring, (at + i) % ring->n_slots);
	return r == EXIT_DONE ? drained : r;
}

static bool make_slots(struct ring *ring)
{
	ring->threads = calloc(ring->n_jobs, sizeof *ring->threads);
	ring->states = calloc(ring->n_slots, sizeof *ring->states);
	ring->slots = calloc(ring->n_slots, ring->ops->slot_bytes);
	if (!ring->threads || !ring->states || !ring->slots)
		return false;
	for (unsigned i = 0; ring->ops->slot_init && i < ring->n_slots; i++)
		if (!ring->ops->slot_init(ring->arg, slot_at(ring, i)))
			return false;
	return true;
}

static bool start_threads(struct ring *ring)
{
	for (; ring->n_threads < ring->n_jobs; ring->n_threads++)
		if (pthread_create(&ring->threads[ring->n_threads], NULL, run_worker,
				   ring) != 0)
			return false;
	return true;
}

static void stop_threads(struct ring *ring)
{
	check(pthread_mutex_lock(&ring->lock));
	ring->stop = true;
	check(pthread_cond_broadcast(&ring->slot_filled));
	check(pthread_mutex_unlock(&ring->lock));
	for (unsigned i = 0; i < ring->n_threads; i++)
		check(pthread_join(ring->threads[i], NULL));
}

static void free_ring(struct ring *ring)
{
	for (unsigned i = 0; ring->ops->slot_fini && ring->slots && i < ring->n_slots;
	     i++)
		ring->ops->slot_fini(slot_at(ring, i));
	free(ring->slots);
	free(ring->states);
	free(ring->threads);
	check(pthread_cond_destroy(&ring->slot_done));
	check(pthread_cond_destroy(&ring->slot_filled));
	check(pthread_mutex_destroy(&ring->lock));
}

static unsigned fitting_jobs(unsigned n_jobs, uint64_t job_bytes)
{
	uint64_t n = RING_BYTES_MAX / max_u64(job_bytes, 1);

	return (unsigned)min_u64(n_jobs, max_u64(n, 1));
}

int ring_run(const struct ring_ops *ops, unsigned n_jobs, uint64_t job_bytes, void *arg)
{
	struct ring ring = {
		.ops = ops, .arg = arg, .n_jobs = fitting_jobs(n_jobs, job_bytes)};
	int r;

	ring.n_slots = 2 * ring.n_jobs + 2;
	check(pthread_mutex_init(&ring.lock, NULL));
	check(pthread_cond_init(&ring.slot_filled, NULL));
	check(pthread_cond_init(&ring.slot_done, NULL));
	if (!make_slots(&ring))
		r = tool_fail("threads", "out of memory");
	else if (!start_threads(&ring))
		r = tool_fail("threads", "cannot start one; try a smaller --jobs");
	else
		r = go_round(&ring);
	stop_threads(&ring);
	free_ring(&ring);
	return r;
}

unsigned ring_default_jobs(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)min_u64((uint64_t)n, RING_JOBS_MAX);
}

int ring_parse_jobs(const char *command, const char *text, unsigned *ret)
{
	uint64_t n;

	if (!tool_parse_number(text, &n) || n < 1 || n > RING_JOBS_MAX)
		return tool_usage(command, "--jobs=%s: not a number from 1 to %u", text,
				  RING_JOBS_MAX);
	*ret = (unsigned)n;
	return EXIT_DONE;
}
