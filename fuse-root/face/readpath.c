/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readpath.c - see readpath.h
 */
#include "face/readpath.h"

#include <errno.h>

#include "base/bufpool.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/lock.h"
#include "base/log.h"

/* A read that was set aside. */
struct pending {
	struct chunk_waiter waiter; /* first: the map gives this back */
	void *handle;
	int64_t since_ns;
};

struct readpath {
	/* set before threads start */
	struct readpath_config config;
	struct bufpool *pendings;
	struct bufpool *buffers;

	/* set once by readpath_fail_all, read by any thread */
	atomic_int
		fail_err; /* 0, or what reads that would be set aside are answered with */

	/* guarded by lock */
	struct lock lock;
	struct histogram waits;
};

int readpath_new(const struct readpath_config *config, struct readpath **ret)
{
	struct readpath *rp = calloc(1, sizeof *rp);

	if (!rp)
		return -ENOMEM;
	rp->config = *config;
	lock_init(&rp->lock);
	atomic_init(&rp->fail_err, 0);
	rp->pendings = bufpool_new(config->n_waiting_max, sizeof(struct pending));
	rp->buffers = bufpool_new(config->n_threads, READ_BYTES_MAX);
	if (!rp->pendings || !rp->buffers) {
		readpath_free(rp);
		return -ENOMEM;
	}
	*ret = rp;
	return 0;
}

void readpath_free(struct readpath *rp)
{
	if (!rp)
		return;
	bufpool_free(rp->pendings);
	bufpool_free(rp->buffers);
	lock_fini(&rp->lock);
	free(rp);
}

/* Every block is valid, and stays so until this reader has ended: read and reply. */
static void answer(struct readpath *rp, struct chunk_reader *reader, void *handle,
		   uint64_t img_off, size_t n_bytes)
{
	struct store_io io = {
		.slot_off = img_off,
		.buf = bufpool_get(rp->buffers),
		.n_bytes = (uint32_t)n_bytes,
	};
	int err = store_read(rp->config.store, &io, 1);

	chunkmap_read_end(rp->config.cm, reader);
	if (err < 0)
		log_error("store: read %zu bytes at %llu: %s", n_bytes,
			  (unsigned long long)img_off, strerror(-err));
	rp->config.reply(handle, err, io.buf, err < 0 ? 0 : n_bytes);
	bufpool_put(rp->buffers, io.buf);
}

static void answer_pending(struct readpath *rp, struct pending *p)
{
	int64_t waited_ns = clock_ns() - p->since_ns;

	answer(rp, &p->waiter.reader, p->handle, p->waiter.img_off, p->waiter.n_bytes);
	bufpool_put(rp->pendings, p);
	lock_acquire(&rp->lock);
	histogram_add(&rp->waits, waited_ns);
	lock_release(&rp->lock);
}

static void fail_waiters(struct readpath *rp, int err)
{
	struct chunk_waiter *list = chunkmap_take_all_waiters(rp->config.cm);

	while (list) {
		struct pending *p = (struct pending *)list;

		list = list->next;
		rp->config.reply(p->handle, err, NULL, 0);
		bufpool_put(rp->pendings, p);
	}
}

/*
 * Answer it now or set it aside.  A read that was set aside while readpath_fail_all ran is either
 * seen by it or sees here that it ran: the chunk map's lock lies between.
 */
static void try_pending(struct readpath *rp, struct pending *p)
{
	int err;

	if (chunkmap_want(rp->config.cm, &p->waiter)) {
		answer_pending(rp, p);
		return;
	}
	err = atomic_load(&rp->fail_err);
	if (err < 0)
		fail_waiters(rp, err);
}

void readpath_read(struct readpath *rp, void *handle, uint64_t img_off, size_t n_bytes)
{
	struct chunk_reader reader;
	struct pending *p;

	if (img_off % 4096 || n_bytes == 0 || n_bytes % 4096 ||
	    n_bytes > READ_BYTES_MAX) {
		rp->config.reply(handle, -EINVAL, NULL, 0);
		return;
	}
	if (rp->config.trace)
		trace_note(rp->config.trace, img_off, n_bytes);
	if (chunkmap_read_begin(rp->config.cm, &reader, img_off, n_bytes)) {
		answer(rp, &reader, handle, img_off, n_bytes);
		return;
	}
	p = bufpool_get(rp->pendings);
	*p = (struct pending){
		.waiter = {.img_off = img_off, .n_bytes = (uint32_t)n_bytes},
		.handle = handle,
		.since_ns = clock_ns(),
	};
	try_pending(rp, p);
}

void readpath_resume(struct readpath *rp, struct chunk_waiter *list)
{
	while (list) {
		struct chunk_waiter *w = list;

		list = w->next;
		try_pending(rp, (struct pending *)w);
	}
}

void readpath_fail_all(struct readpath *rp, int err)
{
	atomic_store(&rp->fail_err, err);
	fail_waiters(rp, err);
}

void readpath_stats(struct readpath *rp, struct readpath_stats *ret)
{
	struct histogram waits;

	lock_acquire(&rp->lock);
	waits = rp->waits;
	lock_release(&rp->lock);
	*ret = (struct readpath_stats){
		.n_waited = waits.n,
		.wait_ms_p50 = histogram_ms(&waits, 50),
		.wait_ms_p99 = histogram_ms(&waits, 99),
	};
}
