/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - see cache.h
 *
 * used_bytes is what the store took when it was last asked, `pledged` what was promised
 * to writes since, those that were under way then included: together an upper bound.
 * Making room is done in rounds, numbered; who needs room waits for a round that began
 * after it asked.
 *
 *	0 ......................... low ........ high ........ budget
 *	    a round goes down to here |            |             | writes wait here
 *	                                a round begins here
 */
#include "engine/cache.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/evict.h"

#define MIB (1024u * 1024)
/* Thrown away before the store is asked again what it takes. */
#define BATCH_BYTES (8u * MIB)

/* Room for a write: bytes, and slots of the store where it has such. */
struct room {
	uint64_t bytes, slots;
};

struct cache {
	struct store base; /* first: what others see */

	/* set before threads start */
	struct cache_config config;
	uint32_t slot_bytes; /* of the store; 0: it has no slots */
	bool is_started;
	pthread_t thread;

	/* owned by the cache thread */
	struct evict evict;

	/* guarded by lock */
	struct lock lock;
	pthread_cond_t wanted; /* room, or the end */
	pthread_cond_t changed; /* a round has ended or got on, a write has ended */
	uint64_t budget_bytes;
	struct store_usage usage; /* when the store was last asked */
	struct room pledged, in_flight; /* since then, and now */
	struct room need,
		round_need; /* the most that one waits for; of those of this round */
	uint64_t n_begun, n_ended; /* rounds */
	bool round_failed; /* the last round found nothing that could leave, and too much stored */
	bool is_wanted, is_stopping, is_full;
	struct evicted evicted; /* in all */
	atomic_bool is_store_full; /* the last write was refused by the store */
};

static struct cache *self(struct store *s)
{
	return (struct cache *)s;
}

/* -- arithmetic --------------------------------------------------------------------------- */

/* Between the marks: enough that a round is worth its while, little beside the budget. */
static uint64_t gap_bytes(const struct cache *c)
{
	uint64_t gap = max_u64(c->budget_bytes / 32, 4 * (uint64_t)c->config.chunk_bytes);

	return min_u64(min_u64(gap, 64 * MIB), c->budget_bytes / 8);
}

static uint64_t slot_gap(const struct cache *c)
{
	return 16 * (uint64_t)c->config.chunk_bytes / c->slot_bytes;
}

/* Would everything that is stored or under way, and `more`, leave so many gaps free? */
static bool fits_locked(struct cache *c, const struct room *more, unsigned n_gaps)
{
	const struct store_usage *u = &c->usage;
	uint64_t bytes = u->used_bytes + c->pledged.bytes + more->bytes;

	lock_assert_held(&c->lock);
	if (c->budget_bytes == 0)
		return true;
	if (bytes + n_gaps * gap_bytes(c) > c->budget_bytes)
		return false;
	return c->slot_bytes == 0 ||
	       c->pledged.slots + more->slots + n_gaps * slot_gap(c) <= u->n_free_slots;
}

/* Slots that this range can need. */
static uint64_t slots_of(const struct cache *c, uint64_t slot_off, uint64_t n_bytes)
{
	if (c->slot_bytes == 0)
		return 0;
	return (slot_off + n_bytes - 1) / c->slot_bytes - slot_off / c->slot_bytes + 1;
}

static void ask_store(struct cache *c)
{
	struct store_usage usage;
	struct room before;

	lock_acquire(&c->lock);
	before = c->pledged;
	/* What ends while the store counts may or may not be in its figure. */
	before.bytes -= c->in_flight.bytes;
	before.slots -= c->in_flight.slots;
	lock_release(&c->lock);
	store_usage(c->config.inner, &usage);
	lock_acquire(&c->lock);
	c->usage = usage;
	c->pledged.bytes -= before.bytes;
	c->pledged.slots -= before.slots;
	lock_release(&c->lock);
}

/* -- making room -------------------------------------------------------------------------- */

/* What has to go, before compression, until the low mark is reached; 0: nothing. */
static uint64_t excess(struct cache *c)
{
	const struct store_usage *u = &c->usage;
	uint64_t want, taken, n_bytes = 0;

	lock_acquire(&c->lock);
	if (!c->is_stopping && !fits_locked(c, &c->round_need, 2)) {
		want = c->budget_bytes - 2 * gap_bytes(c);
		taken = u->used_bytes + c->pledged.bytes + c->round_need.bytes;
		n_bytes = taken > want ? taken - want : 0;
		/* Half of what compression promises: the store is asked again soon. */
		if (u->used_bytes && u->stored_bytes > 2 * u->used_bytes)
			n_bytes *= u->stored_bytes / u->used_bytes / 2;
		n_bytes = max_u64(min_u64(n_bytes, BATCH_BYTES), c->config.chunk_bytes);
	}
	lock_release(&c->lock);
	return n_bytes;
}

static void note_evicted(struct cache *c, const struct evicted *e)
{
	lock_acquire(&c->lock);
	c->evicted.n_chunks += e->n_chunks;
	c->evicted.n_bytes += e->n_bytes;
	lock_release(&c->lock);
}

static void tell_change(struct cache *c)
{
	lock_acquire(&c->lock);
	PTHREAD_OK(pthread_cond_broadcast(&c->changed));
	lock_release(&c->lock);
}

/* False: more is stored than may be, and nothing of it can leave. */
static bool make_room(struct cache *c)
{
	struct evicted evicted;
	uint64_t n_bytes;

	ask_store(c);
	while ((n_bytes = excess(c))) {
		evict_some(&c->evict, n_bytes, &evicted);
		note_evicted(c, &evicted);
		if (evicted.n_bytes == 0)
			return false;
		ask_store(c);
		/*
		 * A batch leaves pages half empty: gathering them is cheaper than
		 * fetching again.
		 */
		if (excess(c)) {
			(void)!store_compact(c->config.inner);
			ask_store(c);
		}
		tell_change(c);
	}
	return true;
}

/* False when the thread is to end. */
static bool wait_until_wanted(struct cache *c)
{
	bool go_on;

	lock_acquire(&c->lock);
	while (!c->is_wanted && !c->is_stopping)
		cond_wait(&c->wanted, &c->lock);
	c->is_wanted = false;
	go_on = !c->is_stopping;
	if (go_on) {
		c->n_begun++;
		c->round_need = c->need;
		c->need = (struct room){0};
	}
	lock_release(&c->lock);
	return go_on;
}

static void end_round(struct cache *c, bool ok)
{
	lock_acquire(&c->lock);
	c->n_ended = c->n_begun;
	c->round_failed = !ok;
	PTHREAD_OK(pthread_cond_broadcast(&c->changed));
	lock_release(&c->lock);
}

/* Owns the list of the oldest; woken by `wanted`; ends when is_stopping is set. */
static void *cache_thread(void *arg)
{
	struct cache *c = arg;

	while (wait_until_wanted(c))
		end_round(c, make_room(c));
	return NULL;
}

/* -- taking room -------------------------------------------------------------------------- */

static void want_room_locked(struct cache *c)
{
	lock_assert_held(&c->lock);
	c->is_wanted = true;
	PTHREAD_OK(pthread_cond_signal(&c->wanted));
}

/* Wait for one more round, or for as much as is needed.  False: that round has failed. */
static bool wait_for_round_locked(struct cache *c, const struct room *more)
{
	uint64_t round = c->n_begun + 1;

	lock_assert_held(&c->lock);
	c->need.bytes = max_u64(c->need.bytes, more->bytes);
	c->need.slots = max_u64(c->need.slots, more->slots);
	want_room_locked(c);
	while (!c->is_stopping && c->n_ended < round && !fits_locked(c, more, 0))
		cond_wait(&c->changed, &c->lock);
	return c->n_ended < round || !c->round_failed;
}

static int find_room_locked(struct cache *c, const struct room *more)
{
	lock_assert_held(&c->lock);
	while (!fits_locked(c, more, 0)) {
		if (c->is_stopping || more->bytes > c->budget_bytes)
			return -ENOSPC;
		if (wait_for_round_locked(c, more))
			continue;
		if (fits_locked(c, more, 0))
			break;
		/* Others may need less than they took room for. */
		if (c->in_flight.bytes == 0)
			return -ENOSPC;
		cond_wait(&c->changed, &c->lock);
	}
	return 0;
}

static void say_full(struct cache *c)
{
	struct cache_stats stats;

	cache_stats(c, &stats);
	log_error("cache: %" PRIu64 " of %" PRIu64
		  " MiB are taken by written blocks: writes fail, reads of what is not "
		  "there wait: delete files and have the filesystem discard, or give "
		  "it more: cache=SIZE",
		  stats.written_bytes / MIB, stats.budget_bytes / MIB);
}

static int take_room(struct cache *c, struct room *more)
{
	bool was_full;
	int err;

	lock_acquire(&c->lock);
	was_full = c->is_full;
	err = find_room_locked(c, more);
	if (err == 0) {
		c->pledged.bytes += more->bytes;
		c->pledged.slots += more->slots;
		c->in_flight.bytes += more->bytes;
		c->in_flight.slots += more->slots;
		if (!fits_locked(c, &(struct room){0}, 1))
			want_room_locked(c);
	}
	c->is_full = err < 0 && !c->is_stopping;
	lock_release(&c->lock);
	if (err < 0 && !was_full)
		say_full(c);
	return err;
}

static void end_write(struct cache *c, const struct room *taken)
{
	lock_acquire(&c->lock);
	c->in_flight.bytes -= taken->bytes;
	c->in_flight.slots -= taken->slots;
	PTHREAD_OK(pthread_cond_broadcast(&c->changed));
	lock_release(&c->lock);
}

/* -- the store ---------------------------------------------------------------------------- */

static int cache_read(struct store *s, const struct store_io *io, unsigned n)
{
	return store_read(self(s)->config.inner, io, n);
}

static int cache_write(struct store *s, const struct store_io *io, unsigned n)
{
	struct cache *c = self(s);
	struct room room = {0};
	int err;

	for (unsigned i = 0; i < n; i++) {
		room.bytes += io[i].n_bytes;
		room.slots += slots_of(c, io[i].slot_off, io[i].n_bytes);
	}
	err = take_room(c, &room);
	if (err < 0)
		return err;
	err = store_write(c->config.inner, io, n);
	atomic_store(&c->is_store_full, err == -ENOSPC);
	end_write(c, &room);
	return err;
}

static int cache_discard(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	return store_discard(self(s)->config.inner, slot_off, n_bytes);
}

static void cache_usage(struct store *s, struct store_usage *ret)
{
	struct cache *c = self(s);

	store_usage(c->config.inner, ret);
	lock_acquire(&c->lock);
	if (c->budget_bytes)
		ret->limit_bytes = c->budget_bytes;
	lock_release(&c->lock);
}

static void free_store(struct store *s)
{
	cache_free(self(s));
}

static const struct store_ops ops = {
	.kind = "cache",
	.read = cache_read,
	.write = cache_write,
	.discard = cache_discard,
	.usage = cache_usage,
	.free = free_store,
};

/*
 * -- over a persistent store: whoever writes through the cache tells the store
 * -------------------
 */

static void cache_chunk_stored(struct store *s, uint64_t ci, const void *raw,
			       size_t n_bytes)
{
	store_chunk_stored(self(s)->config.inner, ci, raw, n_bytes);
}

static void cache_before_write(struct store *s, uint64_t slot_off, uint64_t n_bytes)
{
	store_before_write(self(s)->config.inner, slot_off, n_bytes);
}

/* The rest is asked of the store itself. */
static const struct store_persistence persistence = {
	.chunk_stored = cache_chunk_stored,
	.before_write = cache_before_write,
};

static const struct store_ops persistent_ops = {
	.kind = "cache",
	.read = cache_read,
	.write = cache_write,
	.discard = cache_discard,
	.usage = cache_usage,
	.free = free_store,
	.persistence = &persistence,
};

/* -- life --------------------------------------------------------------------------------- */

int cache_new(const struct cache_config *config, struct cache **ret)
{
	struct cache *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->budget_bytes = config->budget_bytes;
	c->base = (struct store){
		.ops = store_is_persistent(config->inner) ? &persistent_ops : &ops,
		.bytes = config->inner->bytes,
		.given = {.fd = -1},
		.dev_fd = -1,
	};
	lock_init(&c->lock);
	cond_init(&c->wanted);
	cond_init(&c->changed);
	store_usage(config->inner, &c->usage);
	c->slot_bytes = c->usage.slot_bytes;
	c->evict.config = (struct evict_config){
		.store = config->inner,
		.cm = config->cm,
		.image_bytes = config->image_bytes,
		.chunk_bytes = config->chunk_bytes,
	};
	*ret = c;
	return 0;
}

int cache_start(struct cache *c)
{
	int err = thread_start(&c->thread, "cache", cache_thread, c);

	c->is_started = err == 0;
	return err;
}

void cache_stop(struct cache *c)
{
	if (!c->is_started)
		return;
	lock_acquire(&c->lock);
	c->is_stopping = true;
	PTHREAD_OK(pthread_cond_broadcast(&c->wanted));
	PTHREAD_OK(pthread_cond_broadcast(&c->changed));
	lock_release(&c->lock);
	PTHREAD_OK(pthread_join(c->thread, NULL));
	c->is_started = false;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	cache_stop(c);
	PTHREAD_OK(pthread_cond_destroy(&c->wanted));
	PTHREAD_OK(pthread_cond_destroy(&c->changed));
	lock_fini(&c->lock);
	free(c);
}

struct store *cache_store(struct cache *c)
{
	return &c->base;
}

void cache_set_budget(struct cache *c, uint64_t budget_bytes)
{
	lock_acquire(&c->lock);
	c->budget_bytes = budget_bytes;
	c->is_full = false;
	want_room_locked(c);
	PTHREAD_OK(pthread_cond_broadcast(&c->changed));
	/* A round that is under way sees it at its next batch. */
	while (c->is_started && !c->is_stopping && c->n_ended < c->n_begun &&
	       budget_bytes == 0)
		cond_wait(&c->changed, &c->lock);
	lock_release(&c->lock);
}

/* What is in the store from the image, at most. */
static uint64_t image_share(const struct cache *c)
{
	struct chunkmap_counts counts;

	chunkmap_counts(c->config.cm, &counts);
	return counts.clean_bytes + counts.moving_bytes;
}

/*
 * How much of it was written here cannot be asked: the image's share of the data is
 * known, and taken to be compressed as well as the rest.
 */
static uint64_t written_bytes(const struct store_usage *u, uint64_t share_bytes)
{
	if (u->stored_bytes == 0)
		return share_bytes ? 0 : u->used_bytes;
	if (share_bytes >= u->stored_bytes)
		return 0;
	return (uint64_t)((double)u->used_bytes *
			  (double)(u->stored_bytes - share_bytes) /
			  (double)u->stored_bytes);
}

void cache_stats(struct cache *c, struct cache_stats *ret)
{
	struct store_usage usage;
	uint64_t share;

	/* Chunks come and go while the store counts: one that it counted is in one of the two. */
	share = image_share(c);
	store_usage(c->config.inner, &usage);
	share = max_u64(share, image_share(c));
	lock_acquire(&c->lock);
	*ret = (struct cache_stats){
		.budget_bytes = c->budget_bytes,
		.used_bytes = usage.used_bytes,
		.written_bytes = written_bytes(&usage, share),
		.evicted_chunks = c->evicted.n_chunks,
		.evicted_bytes = c->evicted.n_bytes,
		.is_full = c->is_full,
		.is_store_full = atomic_load(&c->is_store_full),
	};
	lock_release(&c->lock);
}
