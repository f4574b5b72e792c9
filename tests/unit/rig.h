/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - image, faulty source, faulty store, chunk map, engine, read and write path in one
 *
 * What a serving process has, without the kernel: rig_read waits for the reply that FUSE would
 * get.  All waits end after RIG_WAIT_MS with an assert.
 */
#ifndef RIG_H
#define RIG_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "engine/cache.h"
#include "engine/engine.h"
#include "face/readpath.h"
#include "face/writepath.h"
#include "store/store_mem.h"
#include "tests/fakes/source_fault.h"
#include "tests/fakes/store_fault.h"
#include "tests/fakes/testimage.h"

#define RIG_WAIT_MS 20000
#define RIG_CHUNK TESTIMAGE_CHUNK_BYTES
#define RIG_BLOCK IMG_BLOCK_BYTES
#define RIG_BLOCKS_PER_CHUNK (RIG_CHUNK / RIG_BLOCK)

struct rig_options {
	uint64_t n_chunks;
	bool (*is_zero)(uint64_t ci);
	unsigned n_servers; /* 0: 1 */
	unsigned n_workers; /* 0: 2 */
	uint64_t rate_bytes;
	int64_t io_timeout_ms;
	int64_t deadline_in_ms; /* as deadline_ms of the read path, from rig_init on; 0: none */
	bool no_fill;
	bool in_order;
	bool forget_pages; /* no index page is in the first bytes */
	const struct testimage_hot *hot; /* n_hot runs of a hot pack */
	unsigned n_hot;
	bool has_pack; /* a hot pack beside the image: source_fault_set_pack */
	const char *pack_key;
	const uint8_t *pack_digest; /* it must have this one; NULL: any */
	struct trace *trace; /* records reads, or NULL */
	uint64_t cache_bytes; /* budget of a cache over the store; 0: no cache */
};

struct rig {
	struct testimage image;
	struct source *source;
	struct source_ops source_ops; /* with promote counted */
	const struct source_ops *inner_ops;
	struct store *store; /* that can fail */
	struct store *users; /* what everybody uses: it, or the cache over it */
	struct cache *cache; /* or NULL */
	struct chunkmap *cm;
	struct engine_config config;
	struct engine *engine;
	struct readpath *rp;
	struct writepath *wp;
	struct trace *trace;
	int64_t io_timeout_ms;
	unsigned n_servers;
	int64_t deadline_ms;
	atomic_bool deadline_is_lifted;
	atomic_uint n_complete, n_promoted;
};

/* The promote of source_ops has no context. */
static struct rig *rig_of_source;

static inline void rig_promote(struct source *s, uint64_t id)
{
	atomic_fetch_add(&rig_of_source->n_promoted, 1);
	if (rig_of_source->inner_ops->promote)
		rig_of_source->inner_ops->promote(s, id);
}

static inline void rig_wake(void *ctx)
{
	source_wake(((struct rig *)ctx)->source);
}

static inline void rig_resume(void *ctx, struct chunk_waiter *list)
{
	readpath_resume(((struct rig *)ctx)->rp, list);
}

static inline void rig_complete(void *ctx)
{
	atomic_fetch_add(&((struct rig *)ctx)->n_complete, 1);
}

static inline int64_t rig_expire(void *ctx)
{
	return readpath_expire(((struct rig *)ctx)->rp);
}

static inline bool rig_deadline_counts(void *ctx)
{
	return !atomic_load(&((struct rig *)ctx)->deadline_is_lifted);
}

static inline void rig_noted(void *ctx, uint64_t img_off, uint64_t n_bytes, bool missed)
{
	engine_note_read(((struct rig *)ctx)->engine, img_off, n_bytes, missed);
}

/* A read under way: the handle of its reply. */
struct rig_reply {
	struct lock lock;
	pthread_cond_t replied;
	bool is_there;
	int err;
	size_t n_bytes;
	uint8_t *buf;
};

static inline void rig_reply_init(struct rig_reply *r, uint8_t *buf)
{
	*r = (struct rig_reply){.buf = buf};
	lock_init(&r->lock);
	cond_init(&r->replied);
}

static inline void rig_on_reply(void *handle, int err, const void *buf, size_t n_bytes)
{
	struct rig_reply *r = handle;

	lock_acquire(&r->lock);
	assert(!r->is_there);
	r->is_there = true;
	r->err = err;
	r->n_bytes = n_bytes;
	if (err == 0 && r->buf)
		memcpy(r->buf, buf, n_bytes);
	PTHREAD_OK(pthread_cond_signal(&r->replied));
	lock_release(&r->lock);
}

static inline bool rig_is_replied(struct rig_reply *r)
{
	lock_acquire(&r->lock);
	bool is_there = r->is_there;
	lock_release(&r->lock);
	return is_there;
}

/* The reply's err. */
static inline int rig_reply_wait(struct rig_reply *r)
{
	for (int64_t until = clock_ms() + RIG_WAIT_MS; !rig_is_replied(r);) {
		assert(clock_ms() < until);
		usleep(200);
	}
	PTHREAD_OK(pthread_cond_destroy(&r->replied));
	lock_fini(&r->lock);
	return r->err;
}

static inline int rig_read(struct rig *g, uint64_t img_off, uint8_t *buf, size_t n_bytes)
{
	struct rig_reply r;

	rig_reply_init(&r, buf);
	readpath_read(g->rp, &r, img_off, n_bytes);
	return rig_reply_wait(&r);
}

/* Read and compare with the image. */
static inline void rig_expect(struct rig *g, uint64_t img_off, size_t n_bytes)
{
	uint8_t *got = malloc(n_bytes), *want = malloc(n_bytes);

	testimage_read(&g->image, img_off, want, n_bytes);
	assert(rig_read(g, img_off, got, n_bytes) == 0);
	assert(memcmp(got, want, n_bytes) == 0);
	free(got);
	free(want);
}

#define RIG_UNTIL(condition)                                                             \
	for (int64_t until_ = clock_ms() + RIG_WAIT_MS; !(condition); usleep(500))       \
	assert(clock_ms() < until_)

static inline void rig_expect_complete(struct rig *g)
{
	RIG_UNTIL(atomic_load(&g->n_complete));
	assert_true(chunkmap_is_complete(g->cm));
	for (uint64_t off = 0; off < g->image.info->image_bytes; off += RIG_CHUNK)
		rig_expect(g, off, min_u64(RIG_CHUNK, g->image.info->image_bytes - off));
	assert_int_equal(atomic_load(&g->n_complete), 1);
}

static inline struct source_fault_counts rig_requests(struct rig *g)
{
	struct source_fault_counts counts;

	source_fault_counts(g->source, &counts);
	return counts;
}

static inline struct engine_stats rig_stats(struct rig *g)
{
	struct engine_stats stats;

	engine_stats(g->engine, &stats);
	return stats;
}

static inline void rig_new_paths(struct rig *g)
{
	const struct readpath_config rp = {
		.cm = g->cm,
		.store = g->users,
		.n_waiting_max = 256,
		.n_threads = 16,
		.trace = g->trace,
		.io_timeout_ms = g->io_timeout_ms,
		.deadline_ms = g->deadline_ms,
		.deadline_counts = rig_deadline_counts,
		.noted = rig_noted,
		.ctx = g,
		.reply = rig_on_reply,
	};

	assert_int_equal(readpath_new(&rp, &g->rp), 0);
	assert_int_equal(writepath_new(g->cm, g->users, g->rp, 16, &g->wp), 0);
}

static inline void rig_new_source(struct rig *g)
{
	g->source = source_fault_new(g->image.file, g->image.n_bytes);
	assert_non_null(g->source);
	source_fault_set_servers(g->source, g->n_servers);
	g->inner_ops = g->source->ops;
	g->source_ops = *g->source->ops;
	g->source_ops.promote = rig_promote;
	g->source->ops = &g->source_ops;
	rig_of_source = g;
}

static inline void rig_new_cache(struct rig *g, uint64_t budget_bytes)
{
	const struct cache_config config = {
		.inner = g->store,
		.cm = g->cm,
		.image_bytes = g->image.info->image_bytes,
		.chunk_bytes = RIG_CHUNK,
		.budget_bytes = budget_bytes,
	};

	g->users = g->store;
	if (budget_bytes == 0)
		return;
	assert_int_equal(cache_new(&config, &g->cache), 0);
	assert_int_equal(cache_start(g->cache), 0);
	g->users = cache_store(g->cache);
}

/* What is logged from a rig_init on, for those who ask; first of all. */
static int rig_log_fd = -1;

static inline void rig_keep_log(void)
{
	rig_log_fd = memfd_create("log", MFD_CLOEXEC);
	assert(rig_log_fd >= 0 && fcntl(rig_log_fd, F_SETFL, O_APPEND) == 0);
}

static inline void rig_expect_log(const char *text)
{
	char log[8192];
	ssize_t n = pread(rig_log_fd, log, sizeof log - 1, 0);

	assert_true(n >= 0);
	log[n] = '\0';
	if (!strstr(log, text))
		fail_msg("'%s' is not in the log:\n%s", text, log);
}

/* Everything but the engine's threads: rig_start. */
static inline void rig_init(struct rig *g, const struct rig_options *o)
{
	struct store *mem;
	uint64_t n_bytes;

	*g = (struct rig){
		.config =
			{
				.in_order = o->in_order,
				.n_workers = o->n_workers ? o->n_workers : 2,
				.rate_bytes = o->rate_bytes,
				.fill = !o->no_fill,
				.hot = {.has_pack = o->has_pack,
					.public_key = o->pack_key,
					.public_key_bytes =
						o->pack_key ? strlen(o->pack_key) : 0,
					.has_digest = o->pack_digest != NULL},
				.resume = rig_resume,
				.expire = rig_expire,
				.complete = rig_complete,
				.ctx = g,
			},
		.io_timeout_ms = o->io_timeout_ms,
		.deadline_ms = o->deadline_in_ms ? clock_ms() + o->deadline_in_ms : 0,
		.n_servers = o->n_servers ? o->n_servers : 1,
	};
	if (o->pack_digest)
		memcpy(g->config.hot.digest, o->pack_digest, IMG_DIGEST_BYTES);
	log_daemon(-1, rig_log_fd);
	assert_true(rig_log_fd < 0 || ftruncate(rig_log_fd, 0) == 0);
	testimage_new_hot(&g->image, o->n_chunks, 3 * RIG_BLOCK, o->is_zero, o->hot,
			  o->n_hot);
	g->trace = o->trace;
	n_bytes = g->image.info->image_bytes;
	rig_new_source(g);
	assert_int_equal(store_mem_new(n_bytes, 0, &mem), 0);
	g->store = store_fault_new(mem);
	assert_int_equal(chunkmap_new(n_bytes, RIG_CHUNK, rig_wake, g, &g->cm), 0);
	rig_new_cache(g, o->cache_bytes);
	rig_new_paths(g);
	g->config.img = g->image.img;
	g->config.source = g->source;
	g->config.cm = g->cm;
	g->config.store = g->users;
	assert_int_equal(engine_new(&g->config, g->image.file,
				    o->forget_pages ? 0 : g->image.n_bytes, &g->engine),
			 0);
}

static inline void rig_start(struct rig *g)
{
	assert_int_equal(engine_start(g->engine), 0);
}

static inline void rig_fini(struct rig *g)
{
	engine_stop(g->engine);
	readpath_fail_all(g->rp, -EIO);
	engine_free(g->engine);
	writepath_free(g->wp);
	readpath_free(g->rp);
	cache_free(g->cache);
	chunkmap_free(g->cm);
	store_free(g->store);
	source_free(g->source);
	testimage_free(&g->image);
}

#endif
