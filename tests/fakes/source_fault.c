/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_fault.c - a source over a byte buffer, with faults on demand
 *
 * One mutex and one condition: wait blocks until a request has something to give, a knob was
 * turned, wake was called or the time is over.  Each request has a buffer of its own that is
 * poisoned first, so bytes read before they were delivered are seen to be wrong.
 */
#include "tests/fakes/source_fault.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "base/clock.h"
#include "source/room.h"

#define N_SLOTS 8u
#define POISON 0xa5

struct slot {
	bool is_used;
	bool is_done;
	struct source_request rq;
	uint64_t order;
	int64_t ready_ms;
	unsigned server;
	uint32_t n_total;
	uint32_t n_have;
	uint8_t *data;
};

struct source_fault {
	struct source base;

	/* set before threads start */
	const uint8_t *file;
	uint64_t file_bytes;
	const uint8_t *pack; /* or NULL */
	uint64_t pack_bytes;

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot slots[N_SLOTS];
	struct source_fault_counts counts;
	struct room_load load;
	uint64_t next_order;
	bool is_woken;
	bool hold;
	bool reverse;
	uint32_t step;
	int64_t delay_ms;
	unsigned n_servers;
	unsigned connections;
	uint64_t corrupt_off;
	unsigned corrupt_left;
};

static struct source_fault *fault_of(struct source *s)
{
	return (struct source_fault *)s;
}

static struct slot *slot_find_locked(struct source_fault *f, uint64_t id)
{
	for (unsigned i = 0; i < N_SLOTS; i++)
		if (f->slots[i].is_used && f->slots[i].rq.id == id)
			return &f->slots[i];
	return NULL;
}

static struct slot *slot_free_locked(struct source_fault *f)
{
	for (unsigned i = 0; i < N_SLOTS; i++)
		if (!f->slots[i].is_used)
			return &f->slots[i];
	return NULL;
}

static unsigned pick_server_locked(const struct source_fault *f, uint32_t avoid)
{
	for (unsigned i = 0; i < f->n_servers; i++)
		if (!(avoid & (1u << i)))
			return i;
	return 0;
}

/*
 * Bytes from `from` on are given out for the first time: what was given out does not
 * change any more.
 */
static void corrupt_locked(struct source_fault *f, struct slot *slot, uint32_t from)
{
	const uint64_t off = f->corrupt_off;

	if (slot->rq.file != SOURCE_IMAGE || slot->server != 0 || f->corrupt_left == 0)
		return;
	if (off < slot->rq.src_off + from || off - slot->rq.src_off >= slot->n_have)
		return;
	slot->data[off - slot->rq.src_off] ^= 0xff;
	if (f->corrupt_left != UINT_MAX)
		f->corrupt_left--;
}

static void count_locked(struct source_fault *f, const struct source_request *rq)
{
	f->counts.n_requests++;
	f->counts.n_class[rq->class]++;
	f->counts.n_pack += rq->file == SOURCE_PACK;
	f->counts.last = *rq;
	if (rq->file == SOURCE_IMAGE) {
		f->counts.n_backwards += rq->src_off < f->counts.end_off;
		f->counts.end_off = rq->src_off + rq->n_bytes;
	}
	f->load.n[rq->class]++;
	if (++f->counts.n_outstanding > f->counts.n_outstanding_max)
		f->counts.n_outstanding_max = f->counts.n_outstanding;
}

static int submit_locked(struct source_fault *f, const struct source_request *rq)
{
	struct slot *slot = slot_free_locked(f);
	uint64_t bytes = rq->file == SOURCE_PACK ? f->pack_bytes : f->file_bytes;
	uint64_t left = rq->src_off < bytes ? bytes - rq->src_off : 0;

	assert(rq->n_bytes > 0 && rq->n_bytes <= SOURCE_REQUEST_BYTES_MAX);
	assert(rq->file == SOURCE_PACK || rq->may_end || left >= rq->n_bytes);
	assert(!slot_find_locked(f, rq->id));
	if (!slot)
		return -EBUSY;
	uint8_t *data = malloc(rq->n_bytes);
	if (!data)
		return -ENOMEM;
	memset(data, POISON, rq->n_bytes);
	*slot = (struct slot){
		.is_used = true,
		.rq = *rq,
		.order = f->next_order++,
		.ready_ms = clock_ms() + f->delay_ms,
		.server = pick_server_locked(f, rq->avoid),
		.n_total = (uint32_t)min_u64(left, rq->n_bytes),
		.data = data,
	};
	count_locked(f, rq);
	return 0;
}

static int fault_submit(struct source *s, const struct source_request *rq)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	int r = submit_locked(f, rq);
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* Nothing there, or less than has to be. */
static bool is_lost(const struct slot *slot)
{
	return slot->n_total == 0 ||
	       (slot->n_total < slot->rq.n_bytes && !slot->rq.may_end);
}

/* Copy the next step of the file into the slot's buffer and say so. */
static void deliver_locked(struct source_fault *f, struct slot *slot,
			   struct source_event *ret)
{
	const uint8_t *file = slot->rq.file == SOURCE_PACK ? f->pack : f->file;
	uint32_t n = slot->n_total - slot->n_have;

	if (f->step && n > f->step)
		n = f->step;
	if (n)
		memcpy(slot->data + slot->n_have, file + slot->rq.src_off + slot->n_have,
		       n);
	slot->n_have += n;
	f->counts.n_bytes += n;
	slot->is_done = slot->n_have == slot->n_total;
	corrupt_locked(f, slot, slot->n_have - n);
	*ret = (struct source_event){
		.id = slot->rq.id,
		.why = "404 Not Found",
		.kind = slot->is_done && is_lost(slot) ? SOURCE_FAILED
			: slot->is_done		       ? SOURCE_DONE
						       : SOURCE_BYTES,
		.n_bytes = slot->n_have,
		.server = slot->server,
		.data = slot->data,
	};
}

static bool is_ready_locked(const struct source_fault *f, const struct slot *slot,
			    int64_t now)
{
	return slot->is_used && !slot->is_done && !f->hold && slot->ready_ms <= now;
}

/* The next slot in delivery order after `last` (NULL: the first), or NULL. */
static struct slot *next_ready_locked(struct source_fault *f, const struct slot *last,
				      int64_t now)
{
	struct slot *best = NULL;

	for (unsigned i = 0; i < N_SLOTS; i++) {
		struct slot *slot = &f->slots[i];
		const uint64_t key = f->reverse ? UINT64_MAX - slot->order : slot->order;

		if (!is_ready_locked(f, slot, now))
			continue;
		if (last && key <= (f->reverse ? UINT64_MAX - last->order : last->order))
			continue;
		if (!best || key < (f->reverse ? UINT64_MAX - best->order : best->order))
			best = slot;
	}
	return best;
}

static unsigned collect_locked(struct source_fault *f, struct source_event *ev,
			       unsigned max)
{
	const int64_t now = clock_ms();
	struct slot *slot = NULL;
	unsigned n = 0;

	while (n < max && (slot = next_ready_locked(f, slot, now)))
		deliver_locked(f, slot, &ev[n++]);
	return n;
}

/* When wait has to look again: the earliest delayed request or the caller's deadline. */
static int64_t next_look_locked(const struct source_fault *f, int64_t deadline_ms)
{
	int64_t next = deadline_ms;

	for (unsigned i = 0; i < N_SLOTS; i++) {
		const struct slot *slot = &f->slots[i];

		if (slot->is_used && !slot->is_done && !f->hold && slot->ready_ms < next)
			next = slot->ready_ms;
	}
	return next;
}

static void sleep_until_locked(struct source_fault *f, int64_t until_ms)
{
	if (until_ms == INT64_MAX) {
		pthread_cond_wait(&f->changed, &f->lock);
		return;
	}
	const struct timespec ts = {
		.tv_sec = until_ms / 1000,
		.tv_nsec = until_ms % 1000 * 1000000,
	};
	pthread_cond_timedwait(&f->changed, &f->lock, &ts);
}

static int wait_locked(struct source_fault *f, int64_t deadline_ms,
		       struct source_event *ev, unsigned max)
{
	for (;;) {
		const unsigned n = collect_locked(f, ev, max);

		if (n || f->is_woken || clock_ms() >= deadline_ms) {
			f->is_woken = false;
			return (int)n;
		}
		sleep_until_locked(f, next_look_locked(f, deadline_ms));
	}
}

static int fault_wait(struct source *s, int timeout_ms, struct source_event *ev,
		      unsigned max)
{
	struct source_fault *f = fault_of(s);
	const int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : clock_ms() + timeout_ms;

	pthread_mutex_lock(&f->lock);
	int n = wait_locked(f, deadline_ms, ev, max);
	pthread_mutex_unlock(&f->lock);
	return n;
}

static void fault_wake(struct source *s)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	f->is_woken = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void fault_release(struct source *s, uint64_t id)
{
	struct source_fault *f = fault_of(s);
	uint8_t *data = NULL;

	pthread_mutex_lock(&f->lock);
	struct slot *slot = slot_find_locked(f, id);
	if (slot) {
		data = slot->data;
		f->load.n[slot->rq.class]--;
		f->counts.n_outstanding--;
		*slot = (struct slot){0};
	}
	pthread_mutex_unlock(&f->lock);
	free(data);
}

static void fault_promote(struct source *s, uint64_t id)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	struct slot *slot = slot_find_locked(f, id);
	if (slot) {
		f->load.n[slot->rq.class]--;
		slot->rq.class = SOURCE_DEMAND;
		f->load.n[SOURCE_DEMAND]++;
		f->counts.n_promotes++;
	}
	pthread_mutex_unlock(&f->lock);
}

static void fault_reject(struct source *s, unsigned server, uint64_t src_off,
			 const char *what)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	f->counts.n_rejects++;
	f->counts.last_reject_server = server;
	f->counts.last_reject_off = src_off;
	snprintf(f->counts.last_reject_what, sizeof f->counts.last_reject_what, "%s",
		 what);
	pthread_mutex_unlock(&f->lock);
}

static void fault_pin(struct source *s, uint64_t file_bytes, const uint8_t *digest)
{
	struct source_fault *f = fault_of(s);

	(void)digest;
	pthread_mutex_lock(&f->lock);
	if (file_bytes)
		f->counts.n_pins++;
	f->counts.pinned_bytes = file_bytes;
	pthread_mutex_unlock(&f->lock);
}

/* It has one file only. */
static bool fault_move_on(struct source *s, unsigned server)
{
	struct source_fault *f = fault_of(s);

	(void)server;
	pthread_mutex_lock(&f->lock);
	f->counts.n_moves++;
	pthread_mutex_unlock(&f->lock);
	return false;
}

static void fault_allow_sequential(struct source *s)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	f->counts.n_sequential++;
	pthread_mutex_unlock(&f->lock);
}

static uint32_t fault_servers(struct source *s)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	const uint32_t mask = (1u << f->n_servers) - 1;
	pthread_mutex_unlock(&f->lock);
	return mask;
}

/* Its servers have no URLs. */
static void fault_set_servers(struct source *s, const char *const *urls, unsigned n)
{
	(void)urls;
	source_fault_set_servers(s, n);
}

static unsigned fault_room(struct source *s, enum source_class class)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	unsigned n = room_left(&f->load, f->connections, !f->hold, class);
	pthread_mutex_unlock(&f->lock);
	return n;
}

static void fault_status(struct source *s, struct source_status *ret)
{
	struct source_fault *f = fault_of(s);

	*ret = (struct source_status){.ms_since_byte = -1};
	pthread_mutex_lock(&f->lock);
	ret->n_servers = f->n_servers;
	ret->wire_bytes = f->counts.n_bytes;
	ret->n_requests = f->counts.n_requests;
	if (f->counts.n_bytes)
		ret->ms_since_byte = 0;
	ret->is_away = f->hold;
	ret->file_bytes = f->file_bytes;
	for (unsigned i = 0; i < f->n_servers; i++) {
		struct source_server_status *server = &ret->servers[i];

		snprintf(server->url, sizeof server->url, "http://fake-%u/image.hri", i);
		snprintf(server->address, sizeof server->address, "127.0.0.%u", i + 1);
		server->state = f->hold ? SERVER_FAILING : SERVER_OK;
		snprintf(server->last_error, sizeof server->last_error, "%s",
			 f->hold ? "held by the test" : "");
	}
	pthread_mutex_unlock(&f->lock);
}

static void fault_free(struct source *s)
{
	struct source_fault *f = fault_of(s);

	for (unsigned i = 0; i < N_SLOTS; i++)
		free(f->slots[i].data);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct source_ops fault_ops = {
	.submit = fault_submit,
	.wait = fault_wait,
	.wake = fault_wake,
	.release = fault_release,
	.promote = fault_promote,
	.reject = fault_reject,
	.pin = fault_pin,
	.move_on = fault_move_on,
	.allow_sequential = fault_allow_sequential,
	.servers = fault_servers,
	.set_servers = fault_set_servers,
	.room = fault_room,
	.status = fault_status,
	.free = fault_free,
};

struct source *source_fault_new(const uint8_t *file, uint64_t file_bytes)
{
	struct source_fault *f = calloc(1, sizeof *f);
	pthread_condattr_t attr;

	if (!f)
		return NULL;
	f->base.ops = &fault_ops;
	f->file = file;
	f->file_bytes = file_bytes;
	f->n_servers = 1;
	f->connections = 4;
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &attr);
	pthread_condattr_destroy(&attr);
	return &f->base;
}

/* Each knob is set under the lock, and a blocked wait looks again. */
#define SET_KNOB(s, field, value)                                                        \
	do {                                                                             \
		struct source_fault *f_ = fault_of(s);                                   \
		pthread_mutex_lock(&f_->lock);                                           \
		f_->field = (value);                                                     \
		pthread_cond_broadcast(&f_->changed);                                    \
		pthread_mutex_unlock(&f_->lock);                                         \
	} while (0)

void source_fault_hold(struct source *s, bool hold)
{
	SET_KNOB(s, hold, hold);
	/* There may be room again. */
	if (!hold)
		fault_wake(s);
}

void source_fault_set_step(struct source *s, uint32_t bytes)
{
	SET_KNOB(s, step, bytes);
}

void source_fault_set_delay(struct source *s, int64_t delay_ms)
{
	SET_KNOB(s, delay_ms, delay_ms);
}

void source_fault_set_reverse(struct source *s, bool reverse)
{
	SET_KNOB(s, reverse, reverse);
}

void source_fault_set_servers(struct source *s, unsigned n_servers)
{
	assert(n_servers >= 1 && n_servers <= SOURCE_SERVERS_MAX);
	SET_KNOB(s, n_servers, n_servers);
}

void source_fault_set_connections(struct source *s, unsigned connections)
{
	assert(connections >= 1 && connections <= N_SLOTS);
	SET_KNOB(s, connections, connections);
}

void source_fault_corrupt(struct source *s, uint64_t src_off, unsigned n_times)
{
	SET_KNOB(s, corrupt_off, src_off);
	SET_KNOB(s, corrupt_left, n_times);
}

void source_fault_counts(struct source *s, struct source_fault_counts *ret)
{
	struct source_fault *f = fault_of(s);

	pthread_mutex_lock(&f->lock);
	*ret = f->counts;
	pthread_mutex_unlock(&f->lock);
}

void source_fault_set_pack(struct source *s, const uint8_t *pack, uint64_t pack_bytes)
{
	SET_KNOB(s, pack, pack);
	SET_KNOB(s, pack_bytes, pack_bytes);
}
