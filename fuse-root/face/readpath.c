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

#define NS_PER_MS INT64_C(1000000)

/* A read that was set aside. */
struct pending {
	struct chunk_waiter waiter; /* first: the map gives this back */
	void *handle;
};

struct readpath {
	/* set before threads start */
	struct readpath_config config;
	struct bufpool *pendings;
	struct bufpool *buffers;

	/* set once by readpath_fail_all, read by any thread */
	atomic_int
		fail_err; /* 0, or what reads that would be set aside are answered with */

	atomic_ullong n_reads;

	/* guarded by lock */
	struct lock lock;
	struct histogram waits;
	uint64_t n_demanded, n_timed_out;
	uint64_t n_pending; /* set aside */
	int64_t deadline_ns; /* of all reads; INT64_MAX: none, or it does not count any more */
	int64_t expire_ns; /* nobody has waited too long before; INT64_MAX: nobody waits */
	int64_t said_ns; /* when time-outs were last logged */
};

int readpath_new(const struct readpath_config *config, struct readpath **ret)
{
	struct readpath *rp = calloc(1, sizeof *rp);

	if (!rp)
		return -ENOMEM;
	rp->config = *config;
	lock_init(&rp->lock);
	atomic_init(&rp->fail_err, 0);
	atomic_init(&rp->n_reads, 0);
	rp->expire_ns = INT64_MAX;
	rp->deadline_ns =
		config->deadline_ms ? config->deadline_ms * NS_PER_MS : INT64_MAX;
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
	int64_t waited_ns = clock_ns() - p->waiter.since_ns;
	bool is_demand = p->waiter.is_demand;

	answer(rp, &p->waiter.reader, p->handle, p->waiter.img_off, p->waiter.n_bytes);
	bufpool_put(rp->pendings, p);
	lock_acquire(&rp->lock);
	histogram_add(&rp->waits, waited_ns);
	rp->n_demanded += is_demand;
	rp->n_pending--;
	lock_release(&rp->lock);
}

/* Returns how many there were. */
static unsigned fail_list(struct readpath *rp, struct chunk_waiter *list, int err)
{
	unsigned n = 0;

	for (; list; n++) {
		struct pending *p = (struct pending *)list;

		list = list->next;
		rp->config.reply(p->handle, err, NULL, 0);
		bufpool_put(rp->pendings, p);
	}
	lock_acquire(&rp->lock);
	rp->n_pending -= n;
	lock_release(&rp->lock);
	return n;
}

static void fail_waiters(struct readpath *rp, int err)
{
	fail_list(rp, chunkmap_take_all_waiters(rp->config.cm), err);
}

/* -- the time limits ----------------------------------------------------------------------- */

/* One that registered while readpath_expire looked is found so much later at the latest. */
#define LOOK_AGAIN_NS (INT64_C(1000) * NS_PER_MS)
#define SAY_AGAIN_NS (INT64_C(10000) * NS_PER_MS)

static bool has_limit(const struct readpath *rp)
{
	return rp->config.io_timeout_ms || rp->config.deadline_ms;
}

/* When a read that waits since then has waited too long; INT64_MAX: never. */
static int64_t limit_locked(struct readpath *rp, int64_t since_ns)
{
	int64_t limit_ns = INT64_MAX;

	lock_assert_held(&rp->lock);
	if (rp->config.io_timeout_ms && since_ns != INT64_MAX)
		limit_ns = since_ns + rp->config.io_timeout_ms * NS_PER_MS;
	return limit_ns < rp->deadline_ns ? limit_ns : rp->deadline_ns;
}

/* Before the map gets it: from then on it may be answered at any moment. */
static void set_expiry(struct readpath *rp, const struct pending *p)
{
	int64_t expire_ns;

	if (!has_limit(rp))
		return;
	lock_acquire(&rp->lock);
	expire_ns = limit_locked(rp, p->waiter.since_ns);
	if (expire_ns < rp->expire_ns)
		rp->expire_ns = expire_ns;
	lock_release(&rp->lock);
}

/* True when it is time to look for them; then the next look is at hand. */
static bool is_expiry_due(struct readpath *rp, int64_t now_ns, int64_t *ret_delay_ms)
{
	bool is_due;

	lock_acquire(&rp->lock);
	is_due = now_ns >= rp->expire_ns;
	*ret_delay_ms = -1;
	if (rp->expire_ns != INT64_MAX)
		*ret_delay_ms = (rp->expire_ns - now_ns) / NS_PER_MS + 1;
	if (is_due)
		rp->expire_ns = rp->n_pending ? now_ns + LOOK_AGAIN_NS : INT64_MAX;
	lock_release(&rp->lock);
	return is_due;
}

/*
 * Is it over, so that nobody may wait any more?  A deadline that does not count any more
 * never does again.
 */
static bool is_past_deadline(struct readpath *rp, int64_t now_ns)
{
	bool is_past;

	lock_acquire(&rp->lock);
	is_past = now_ns >= rp->deadline_ns;
	lock_release(&rp->lock);
	if (!is_past || rp->config.deadline_counts(rp->config.ctx))
		return is_past;
	lock_acquire(&rp->lock);
	rp->deadline_ns = INT64_MAX;
	lock_release(&rp->lock);
	return false;
}

static void say_expired(const struct readpath *rp, unsigned n, bool is_past,
			enum log_level level)
{
	const char *plural = n == 1 ? "" : "s";

	if (is_past)
		log_at(level,
		       "%u read%s failed with EIO: no root is mounted, and "
		       "attach-timeout is over",
		       n, plural);
	else
		log_at(level,
		       "%u read%s failed with EIO: waited for the network for "
		       "io-timeout, %lld ms",
		       n, plural, (long long)rp->config.io_timeout_ms);
}

static void note_expired(struct readpath *rp, unsigned n, bool is_past, int64_t oldest_ns,
			 int64_t now_ns)
{
	int64_t limit_ns;
	bool is_said;

	lock_acquire(&rp->lock);
	limit_ns = limit_locked(rp, oldest_ns);
	if (rp->n_pending == 0 || limit_locked(rp, now_ns) == INT64_MAX)
		rp->expire_ns = INT64_MAX;
	else if (limit_ns > now_ns && limit_ns < rp->expire_ns)
		rp->expire_ns = limit_ns;
	rp->n_timed_out += n;
	is_said = rp->said_ns && now_ns - rp->said_ns < SAY_AGAIN_NS;
	if (n && !is_said)
		rp->said_ns = now_ns;
	lock_release(&rp->lock);
	if (n)
		say_expired(rp, n, is_past, is_said ? LOG_L_DEBUG : LOG_L_ERROR);
}

int64_t readpath_expire(struct readpath *rp)
{
	int64_t now_ns = clock_ns(), oldest_ns, delay_ms;
	const int64_t timeout_ns = rp->config.io_timeout_ms * NS_PER_MS;

	if (!has_limit(rp))
		return -1;
	while (is_expiry_due(rp, now_ns, &delay_ms)) {
		const bool is_past = is_past_deadline(rp, now_ns);
		const int64_t before_ns = is_past      ? INT64_MAX
					  : timeout_ns ? now_ns - timeout_ns
						       : INT64_MIN;
		struct chunk_waiter *list =
			chunkmap_take_older(rp->config.cm, before_ns, &oldest_ns);

		note_expired(rp, fail_list(rp, list, -EIO), is_past, oldest_ns, now_ns);
	}
	return delay_ms;
}

/* -- reads --------------------------------------------------------------------------------- */

/*
 * Answer it now or set it aside.  A read that was set aside while readpath_fail_all ran is either
 * seen by it or sees here that it ran: the chunk map's lock lies between.
 */
static void try_pending(struct readpath *rp, struct pending *p)
{
	int err;

	set_expiry(rp, p);
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
	bool is_valid;

	if (img_off % 4096 || n_bytes == 0 || n_bytes % 4096 ||
	    n_bytes > READ_BYTES_MAX) {
		rp->config.reply(handle, -EINVAL, NULL, 0);
		return;
	}
	if (rp->config.trace)
		trace_note(rp->config.trace, img_off, n_bytes);
	atomic_fetch_add_explicit(&rp->n_reads, 1, memory_order_relaxed);
	is_valid = chunkmap_read_begin(rp->config.cm, &reader, img_off, n_bytes);
	if (rp->config.noted)
		rp->config.noted(rp->config.ctx, img_off, n_bytes, !is_valid);
	if (is_valid) {
		answer(rp, &reader, handle, img_off, n_bytes);
		return;
	}
	timeline_wanted(rp->config.timeline, img_off);
	p = bufpool_get(rp->pendings);
	*p = (struct pending){
		.waiter = {.img_off = img_off,
			   .n_bytes = (uint32_t)n_bytes,
			   .since_ns = clock_ns()},
		.handle = handle,
	};
	lock_acquire(&rp->lock);
	rp->n_pending++;
	lock_release(&rp->lock);
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
	uint64_t n_demanded, n_timed_out;

	lock_acquire(&rp->lock);
	waits = rp->waits;
	n_demanded = rp->n_demanded;
	n_timed_out = rp->n_timed_out;
	lock_release(&rp->lock);
	*ret = (struct readpath_stats){
		.n_reads = atomic_load_explicit(&rp->n_reads, memory_order_relaxed),
		.n_demanded = n_demanded,
		.n_timed_out = n_timed_out,
		.n_waited = waits.n,
		.wait_ms_p50 = histogram_ms(&waits, 50),
		.wait_ms_p99 = histogram_ms(&waits, 99),
		.waits = waits,
	};
}
