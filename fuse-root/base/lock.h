/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.h - a mutex that knows its owner, and the one place where the lock order is written
 *
 * Order, outermost first; a thread that holds one may only take one further down:
 *
 *	chunkmap	state of every chunk, demand queue, waiters (map/)
 *	readpath	how long reads waited, when the next one expires (face/readpath.c)
 *	underway	notes of reads that wait for an answer (face/underway.c)
 *	trace		what was read, in order (face/trace.c)
 *	engine		pause, rate and hold of the fill, statistics (engine/engine.c)
 *	workers		jobs handed to workers, their results (engine/workers.c)
 *	ahead		the table of sequential readers (engine/ahead.c)
 *	cache		what the store takes, who waits for room (engine/cache.c)
 *	slots		which slot holds what (store/store_slots.c)
 *	aio		free contexts of libaio (store/aio.c)
 *	journal		what is recorded of a persistent store (store/journal.c)
 *	pool		free lists (base/bufpool.c)
 *	servers		what status() shows of the servers (source/servers.c)
 *	file		the piece of a file that is being read (source/net_file.c)
 *
 * In fact none of them nests today: sections are short, and nothing under a lock does I/O (but
 * for the byte that wakes a loop), allocates, logs, calls back or sleeps.
 * A failing pthread call is our own bug: abort.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "imgfmt/base.h"

#define PTHREAD_OK(call)                                                                 \
	do {                                                                             \
		int err_ = (call);                                                       \
		assert(err_ == 0);                                                       \
		(void)err_;                                                              \
	} while (0)

struct lock {
	pthread_mutex_t mutex;
	atomic_bool held; /* with owner: only ever true to the thread that holds it */
	pthread_t owner;
};

static inline void lock_init(struct lock *l)
{
	PTHREAD_OK(pthread_mutex_init(&l->mutex, NULL));
	atomic_init(&l->held, false);
}

static inline void lock_fini(struct lock *l)
{
	PTHREAD_OK(pthread_mutex_destroy(&l->mutex));
}

static inline void lock_acquire(struct lock *l)
{
	PTHREAD_OK(pthread_mutex_lock(&l->mutex));
	l->owner = pthread_self();
	atomic_store_explicit(&l->held, true, memory_order_relaxed);
}

static inline void lock_release(struct lock *l)
{
	atomic_store_explicit(&l->held, false, memory_order_relaxed);
	PTHREAD_OK(pthread_mutex_unlock(&l->mutex));
}

/* Only the holder may ask: the answer to anybody else would be a race. */
static inline void lock_assert_held(const struct lock *l)
{
	assert(atomic_load_explicit(&l->held, memory_order_relaxed));
	assert(pthread_equal(l->owner, pthread_self()));
}

/* A condition on CLOCK_MONOTONIC. */
static inline void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	PTHREAD_OK(pthread_condattr_init(&attr));
	PTHREAD_OK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	PTHREAD_OK(pthread_cond_init(c, &attr));
	PTHREAD_OK(pthread_condattr_destroy(&attr));
}

/* Always in a while over the condition. */
static inline void cond_wait(pthread_cond_t *c, struct lock *l)
{
	lock_assert_held(l);
	atomic_store_explicit(&l->held, false, memory_order_relaxed);
	PTHREAD_OK(pthread_cond_wait(c, &l->mutex));
	l->owner = pthread_self();
	atomic_store_explicit(&l->held, true, memory_order_relaxed);
}

/* The same, for at most `ms`; true when it was woken before, false when the time is over. */
static inline bool cond_wait_ms(pthread_cond_t *c, struct lock *l, unsigned ms)
{
	struct timespec until;
	int err;

	lock_assert_held(l);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	atomic_store_explicit(&l->held, false, memory_order_relaxed);
	err = pthread_cond_timedwait(c, &l->mutex, &until);
	assert(err == 0 || err == ETIMEDOUT);
	l->owner = pthread_self();
	atomic_store_explicit(&l->held, true, memory_order_relaxed);
	return err == 0;
}

#endif
