/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_failover.c - the real source: retries, fails over and waits, over any transport
 *
 * The one rule: a request that was accepted ends with DONE or is released, whatever
 * happens to servers.  A request is WAITING for a server, SENT to one as an attempt, or
 * DONE.  An attempt that ends early puts it back to WAITING with the bytes it has; the
 * next attempt asks for the rest, so what the caller was told never goes backwards.  A
 * request for the hot pack beside the image is the exception: it FAILED after a few
 * tries.  When and where to try is decided in servers.c.
 */
#include "source/source_failover.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/room.h"
#include "source/servers.h"

/* When the transport cannot send, or its own trouble ended an attempt. */
#define RESEND_MS 50
#define EVENTS_MAX 16u

/*
 * With more servers away than reads wait, each is asked in its turn, and all of them in so long: so
 * a read goes on within 2 s, whichever comes back.  But none is given less than a slow line needs.
 */
#define PROBE_ROUND_MS 1800u
#define PROBE_LEAST_MS 300u

/* A pack's place may fail so often to answer. */
#define PACK_TRIES_MAX 2u

enum request_state {
	REQUEST_FREE,
	REQUEST_WAITING,
	REQUEST_SENT,
	REQUEST_DONE,
	REQUEST_FAILED, /* of a pack */
};

/* Its index is also the transport's slot. */
struct request {
	enum request_state state;
	struct source_request rq;
	uint64_t order;
	int64_t not_before_ms;
	uint32_t n_have; /* valid from the range's start */
	uint32_t n_told;
	bool is_done_told;
	unsigned server; /* of the newest bytes, and of the attempt */
	unsigned n_failures;
	char why[TRANSPORT_TEXT_BYTES]; /* FAILED */

	/* the attempt, when SENT */
	uint64_t attempt;
	uint32_t epoch;
	uint32_t n_base; /* n_have when it was sent */
	uint32_t n_seen; /* bytes it brought */
};

struct failover {
	struct source base;

	/* set before threads start */
	struct transport *t;
	struct source_failover_clock clock;
	unsigned connections;

	/* any thread */
	atomic_bool is_woken;
	struct servers servers; /* has its own lock */

	/* owned by the engine thread */
	struct request requests[TRANSPORT_SLOTS];
	struct room_load load;
	uint64_t next_attempt;
	uint64_t next_order;
	bool is_sequential; /* whole files will do */
	int64_t resend_ms; /* the transport was full: not before */
	bool was_usable; /* as the caller last saw it */
	bool is_net_known; /* there was a network process before */
};

static struct failover *failover_of(struct source *s)
{
	return (struct failover *)s;
}

static int64_t now_of(struct failover *f)
{
	return f->clock.now_ms(f->clock.ctx);
}

static struct request *find(struct failover *f, uint64_t id)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (f->requests[i].state != REQUEST_FREE && f->requests[i].rq.id == id)
			return &f->requests[i];
	return NULL;
}

static unsigned slot_of(const struct failover *f, const struct request *r)
{
	return (unsigned)(r - f->requests);
}

static unsigned count(const struct failover *f, enum request_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		n += f->requests[i].state == state;
	return n;
}

static struct servers_range range_of(const struct request *r)
{
	return (struct servers_range){r->rq.src_off, r->rq.n_bytes};
}

/* The attempt is over, the request is not. */
static void put_back(struct failover *f, struct request *r)
{
	servers_lost(&f->servers, r->server, r->epoch);
	r->state = REQUEST_WAITING;
}

static void take_back(struct failover *f, struct request *r)
{
	f->t->ops->cancel(f->t, slot_of(f, r), r->attempt);
	put_back(f, r);
}

/*
 * Servers that gave wrong bytes here are asked again when no other can be, but not at once: the
 * same server would be asked for the same wrong bytes in a tight loop.
 */
static int choose(struct failover *f, struct request *r, int64_t now_ms)
{
	const uint32_t avoid = r->rq.avoid & servers_mask(&f->servers);
	int64_t try_ms;

	if (r->rq.file == SOURCE_PACK)
		return servers_pack_may_send(&f->servers, now_ms, &try_ms)
			       ? (int)SERVERS_PACK
			       : -1;
	const int i = servers_choose(&f->servers, avoid, r->rq.class, now_ms);

	if (i >= 0 || !avoid)
		return i;
	if (r->not_before_ms == 0) {
		r->not_before_ms = now_ms + servers_reject_delay(&f->servers, avoid);
		return -1;
	}
	return servers_choose(&f->servers, ~avoid, r->rq.class, now_ms);
}

static bool is_demand(const struct request *r)
{
	return r->rq.class == SOURCE_DEMAND &&
	       (r->state == REQUEST_WAITING || r->state == REQUEST_SENT);
}

static unsigned n_demand(const struct failover *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		n += is_demand(&f->requests[i]);
	return n;
}

static uint32_t probe_ms(const struct failover *f)
{
	const unsigned side_by_side = (unsigned)min_u64(n_demand(f), f->connections);
	const unsigned n_failing = servers_n_failing(&f->servers);

	if (side_by_side == 0 || n_failing <= side_by_side)
		return TRANSPORT_PROBE_MS;
	const uint32_t ms =
		PROBE_ROUND_MS / (uint32_t)div_round_up(n_failing, side_by_side);
	return ms < PROBE_LEAST_MS ? PROBE_LEAST_MS : ms;
}

static void build_attempt(const struct failover *f, const struct request *r,
			  unsigned server, struct transport_request *ret)
{
	*ret = (struct transport_request){
		.id = f->next_attempt,
		.slot = slot_of(f, r),
		.server = server,
		.src_off = r->rq.src_off + r->n_have,
		.buf_off = r->n_have,
		.n_bytes = r->rq.n_bytes - r->n_have,
		.class = r->rq.class,
		.may_end = r->rq.may_end,
		.file_bytes = r->rq.file == SOURCE_PACK ? 0 : f->servers.pinned_bytes,
	};
	memcpy(ret->etag, f->servers.list[server].etag, sizeof ret->etag);
	ret->is_sequential = f->is_sequential;
	if (!breaker_is_closed(&f->servers.list[server].breaker))
		ret->probe_ms = probe_ms(f);
	ret->is_by_digest = f->servers.list[server].is_by_digest;
	memcpy(ret->digest, f->servers.digest, sizeof ret->digest);
}

static void send_to(struct failover *f, struct request *r, unsigned server,
		    int64_t now_ms)
{
	struct transport_request attempt;

	build_attempt(f, r, server, &attempt);
	if (f->t->ops->submit(f->t, &attempt) < 0) {
		f->resend_ms = now_ms + RESEND_MS;
		return;
	}
	log_debug("request: %s [%" PRIu64 "+%" PRIu64 "]", f->servers.list[server].url,
		  attempt.src_off, (uint64_t)attempt.n_bytes);
	f->next_attempt++;
	r->state = REQUEST_SENT;
	r->attempt = attempt.id;
	r->server = server;
	r->epoch = servers_sent(&f->servers, server);
	r->n_base = r->n_have;
	r->n_seen = 0;
}

/* A place for a demand request at the cost of the least important attempt. */
static bool preempt(struct failover *f, enum source_class class)
{
	struct request *victim = NULL;

	if (class != SOURCE_DEMAND)
		return false;
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct request *r = &f->requests[i];

		if (r->state != REQUEST_SENT || r->rq.class == SOURCE_DEMAND)
			continue;
		if (!victim || r->rq.class > victim->rq.class)
			victim = r;
	}
	if (victim)
		take_back(f, victim);
	return victim != NULL;
}

/* A whole file is read in one go: a second request would start it over. */
static unsigned connections_now(const struct failover *f, int64_t now_ms)
{
	return f->is_sequential && servers_is_sequential(&f->servers, now_ms)
		       ? 1
		       : f->connections;
}

static void try_send(struct failover *f, struct request *r, int64_t now_ms)
{
	if (now_ms < r->not_before_ms || now_ms < f->resend_ms)
		return;
	const int server = choose(f, r, now_ms);
	if (server < 0)
		return;
	/* It would be in the way of the next read, or be held back at once. */
	if (r->rq.class == SOURCE_FILL && n_demand(f) > 0)
		return;
	if (count(f, REQUEST_SENT) >= connections_now(f, now_ms) &&
	    !preempt(f, r->rq.class))
		return;
	send_to(f, r, (unsigned)server, now_ms);
}

static bool is_before(const struct request *a, const struct request *b)
{
	return a->rq.class != b->rq.class ? a->rq.class < b->rq.class
					  : a->order < b->order;
}

/* The next waiting request in order of class and age, after `last` (NULL: the first). */
static struct request *next_waiting(struct failover *f, const struct request *last)
{
	struct request *best = NULL;

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct request *r = &f->requests[i];

		if (r->state != REQUEST_WAITING || (last && !is_before(last, r)))
			continue;
		if (!best || is_before(r, best))
			best = r;
	}
	return best;
}

/* `hydroot set` may have given us other servers. */
static void change_servers(struct failover *f)
{
	const uint32_t gone = servers_unwanted(&f->servers);

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct request *r = &f->requests[i];

		if (r->state == REQUEST_SENT && gone & UINT32_C(1) << r->server &&
		    r->rq.file == SOURCE_IMAGE)
			take_back(f, r);
	}
	const uint32_t added = servers_change(&f->servers);
	for (unsigned i = 0; i < SOURCE_SERVERS_MAX; i++)
		if (added & UINT32_C(1) << i)
			f->t->ops->set_server(f->t, i, f->servers.list[i].wanted_url);
}

static void dispatch(struct failover *f, int64_t now_ms)
{
	struct request *r = NULL;

	change_servers(f);
	servers_await(&f->servers, n_demand(f) > 0, now_ms);
	while ((r = next_waiting(f, r)))
		try_send(f, r, now_ms);
}

static struct request *attempt_of(struct failover *f, const struct transport_event *ev)
{
	if (ev->slot >= TRANSPORT_SLOTS)
		return NULL;
	struct request *r = &f->requests[ev->slot];
	return r->state == REQUEST_SENT && r->attempt == ev->id ? r : NULL;
}

/* It is back: reads that ask others whether they are take their bytes from it. */
static void call_back_probes(struct failover *f, unsigned server)
{
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct request *r = &f->requests[i];

		if (r->state == REQUEST_SENT && is_demand(r) &&
		    r->rq.file == SOURCE_IMAGE && r->server != server && !r->n_seen &&
		    !(r->rq.avoid & UINT32_C(1) << server) &&
		    !breaker_is_closed(&f->servers.list[r->server].breaker))
			take_back(f, r);
	}
}

/* Count what the attempt brought; false: from the wrong file, and the attempt is over. */
static bool take_bytes(struct failover *f, struct request *r,
		       const struct transport_event *ev, int64_t now_ms)
{
	const uint32_t n_new = ev->n_bytes - r->n_seen;
	const struct breaker *breaker = &f->servers.list[r->server].breaker;
	const bool was_away = !breaker_is_closed(breaker);

	assert(ev->n_bytes >= r->n_seen && ev->n_bytes <= r->rq.n_bytes - r->n_base);
	if (!servers_bytes(&f->servers, r->server, r->epoch, range_of(r), ev, n_new,
			   now_ms)) {
		take_back(f, r);
		if (r->rq.file == SOURCE_PACK) {
			r->state = REQUEST_FAILED;
			snprintf(r->why, sizeof r->why, "it was replaced meanwhile");
		}
		return false;
	}
	if (was_away && breaker_is_closed(breaker) && r->server < SERVERS_PACK)
		call_back_probes(f, r->server);
	r->n_seen = ev->n_bytes;
	r->n_have = r->n_base + r->n_seen;
	return true;
}

/* Everything of the range that the file has. */
static bool is_complete(const struct failover *f, const struct request *r)
{
	const uint64_t file_bytes = f->servers.list[r->server].file_bytes;

	if (r->n_have == r->rq.n_bytes)
		return true;
	return r->rq.may_end && r->n_have && file_bytes &&
	       r->rq.src_off + r->n_have == file_bytes;
}

/* Nobody depends on a pack: it is given up rather than waited for. */
static void pack_failed(struct failover *f, struct request *r,
			const struct transport_event *ev)
{
	const bool is_final = ev->fault != TRANSPORT_AWAY && ev->fault != TRANSPORT_LOCAL;
	int64_t try_ms;

	r->n_failures++;
	if (is_final || r->n_failures >= PACK_TRIES_MAX) {
		r->state = REQUEST_FAILED;
		memcpy(r->why, ev->text, sizeof r->why);
	} else if (!servers_pack_may_send(&f->servers, now_of(f), &try_ms)) {
		r->not_before_ms = try_ms;
	}
}

static void on_failed(struct failover *f, struct request *r,
		      const struct transport_event *ev, int64_t now_ms)
{
	if (ev->n_bytes && !take_bytes(f, r, ev, now_ms))
		return;
	servers_failed(&f->servers, r->server, r->epoch, range_of(r), ev, now_ms);
	put_back(f, r);
	if (ev->fault == TRANSPORT_LOCAL)
		r->not_before_ms = now_ms + RESEND_MS;
	if (r->rq.file == SOURCE_PACK)
		pack_failed(f, r, ev);
	if (is_complete(f, r))
		r->state = REQUEST_DONE;
}

static void on_restarted(struct failover *f)
{
	if (f->is_net_known)
		servers_restarted(&f->servers);
	f->is_net_known = true;
	f->resend_ms = 0;
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++)
		if (f->requests[i].state == REQUEST_SENT)
			put_back(f, &f->requests[i]);
}

static void on_event(struct failover *f, const struct transport_event *ev, int64_t now_ms)
{
	if (ev->kind == TRANSPORT_RESTARTED) {
		on_restarted(f);
		return;
	}
	struct request *r = attempt_of(f, ev);
	if (!r)
		return;
	if (ev->kind == TRANSPORT_FAILED)
		on_failed(f, r, ev, now_ms);
	else if (take_bytes(f, r, ev, now_ms) && ev->kind == TRANSPORT_DONE)
		r->state = REQUEST_DONE;
}

/* Wait for the transport, at most until `until_ms`. */
static void pump(struct failover *f, int64_t until_ms)
{
	struct transport_event ev[EVENTS_MAX];
	const int64_t left_ms = until_ms == INT64_MAX ? -1 : until_ms - now_of(f);
	int timeout_ms = left_ms > INT_MAX ? INT_MAX : (int)left_ms;

	if (until_ms != INT64_MAX && left_ms < 0)
		timeout_ms = 0;
	const int n = f->t->ops->wait(f->t, timeout_ms, ev, EVENTS_MAX);
	const int64_t now_ms = now_of(f);
	for (int i = 0; i < n; i++)
		on_event(f, &ev[i], now_ms);
}

/* When something may be sent that cannot be sent now. */
static int64_t next_timer(struct failover *f, int64_t now_ms)
{
	int64_t next = servers_next_try(&f->servers, now_ms);
	bool is_any_waiting = false;
	int64_t try_ms;

	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		const struct request *r = &f->requests[i];

		if (r->state != REQUEST_WAITING)
			continue;
		is_any_waiting = true;
		if (r->not_before_ms > now_ms && r->not_before_ms < next)
			next = r->not_before_ms;
		if (r->rq.file == SOURCE_PACK &&
		    !servers_pack_may_send(&f->servers, now_ms, &try_ms) &&
		    try_ms > now_ms && try_ms < next)
			next = try_ms;
	}
	if (f->resend_ms > now_ms && f->resend_ms < next)
		next = f->resend_ms;
	return is_any_waiting || !f->was_usable ? next : INT64_MAX;
}

static bool is_untold(const struct request *r)
{
	if (r->state == REQUEST_DONE || r->state == REQUEST_FAILED)
		return !r->is_done_told;
	return r->state != REQUEST_FREE && r->n_have > r->n_told;
}

static enum source_event_kind event_kind(const struct request *r)
{
	if (r->state == REQUEST_FAILED)
		return SOURCE_FAILED;
	return r->state == REQUEST_DONE ? SOURCE_DONE : SOURCE_BYTES;
}

static unsigned take_events(struct failover *f, struct source_event *ev, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TRANSPORT_SLOTS && n < max; i++) {
		struct request *r = &f->requests[i];

		if (!is_untold(r))
			continue;
		r->n_told = r->n_have;
		r->is_done_told = r->state != REQUEST_WAITING && r->state != REQUEST_SENT;
		ev[n++] = (struct source_event){
			.id = r->rq.id,
			.kind = event_kind(r),
			.why = r->why,
			.n_bytes = r->n_have,
			.server = r->server,
			.data = f->t->ops->buffer(f->t, i),
		};
	}
	return n;
}

/* True once each time that servers become usable again: the caller may have work for them. */
static bool is_usable_again(struct failover *f, int64_t now_ms)
{
	const bool was_usable = f->was_usable;

	f->was_usable = servers_is_usable(&f->servers, now_ms);
	return f->was_usable && !was_usable;
}

static int failover_wait(struct source *s, int timeout_ms, struct source_event *ev,
			 unsigned max)
{
	struct failover *f = failover_of(s);
	const int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : now_of(f) + timeout_ms;

	for (bool is_last = false;;) {
		const int64_t now_ms = now_of(f);

		dispatch(f, now_ms);
		const unsigned n = take_events(f, ev, max);
		if (is_usable_again(f, now_ms) || n || is_last)
			return (int)n;
		const int64_t timer_ms = next_timer(f, now_ms);
		pump(f, timer_ms < deadline_ms ? timer_ms : deadline_ms);
		is_last =
			atomic_exchange(&f->is_woken, false) || now_of(f) >= deadline_ms;
	}
}

static void failover_wake(struct source *s)
{
	struct failover *f = failover_of(s);

	atomic_store(&f->is_woken, true);
	f->t->ops->wake(f->t);
}

static int failover_submit(struct source *s, const struct source_request *rq)
{
	struct failover *f = failover_of(s);

	assert(rq->n_bytes > 0 && rq->n_bytes <= SOURCE_REQUEST_BYTES_MAX);
	assert(!find(f, rq->id));
	for (unsigned i = 0; i < TRANSPORT_SLOTS; i++) {
		struct request *r = &f->requests[i];

		if (r->state != REQUEST_FREE)
			continue;
		*r = (struct request){
			.state = REQUEST_WAITING,
			.rq = *rq,
			.order = f->next_order++,
		};
		f->load.n[rq->class]++;
		dispatch(f, now_of(f));
		return 0;
	}
	return -EBUSY;
}

static void failover_release(struct source *s, uint64_t id)
{
	struct failover *f = failover_of(s);
	struct request *r = find(f, id);

	if (!r)
		return;
	if (r->state == REQUEST_SENT)
		take_back(f, r);
	f->load.n[r->rq.class]--;
	r->state = REQUEST_FREE;
}

static void failover_promote(struct source *s, uint64_t id)
{
	struct failover *f = failover_of(s);
	struct request *r = find(f, id);

	if (!r || r->rq.class == SOURCE_DEMAND)
		return;
	f->load.n[r->rq.class]--;
	f->load.n[SOURCE_DEMAND]++;
	r->rq.class = SOURCE_DEMAND;
	if (r->state == REQUEST_SENT)
		f->t->ops->promote(f->t, slot_of(f, r), r->attempt);
}

static void failover_reject(struct source *s, unsigned server, uint64_t src_off,
			    const char *what)
{
	struct failover *f = failover_of(s);

	servers_reject(&f->servers, server, src_off, what, now_of(f));
}

static void failover_pin(struct source *s, uint64_t file_bytes, const uint8_t *digest)
{
	struct failover *f = failover_of(s);

	servers_pin(&f->servers, file_bytes, digest, now_of(f));
}

static bool failover_move_on(struct source *s, unsigned server)
{
	return servers_move_on(&failover_of(s)->servers, server, "it is another image");
}

static void failover_allow_sequential(struct source *s)
{
	struct failover *f = failover_of(s);

	f->is_sequential = true;
	servers_allow_sequential(&f->servers);
}

static uint32_t failover_servers(struct source *s)
{
	return servers_mask(&failover_of(s)->servers);
}

static void failover_set_servers(struct source *s, const char *const *urls, unsigned n)
{
	servers_want(&failover_of(s)->servers, urls, n);
	failover_wake(s);
}

static unsigned failover_room(struct source *s, enum source_class class)
{
	struct failover *f = failover_of(s);
	const int64_t now_ms = now_of(f);
	const unsigned left = room_left(&f->load, connections_now(f, now_ms),
					servers_is_usable(&f->servers, now_ms), class);
	const unsigned free = count(f, REQUEST_FREE);

	return left < free ? left : free;
}

static void failover_status(struct source *s, struct source_status *ret)
{
	struct failover *f = failover_of(s);

	servers_status(&f->servers, ret, now_of(f));
}

static void failover_free(struct source *s)
{
	struct failover *f = failover_of(s);

	f->t->ops->free(f->t);
	servers_fini(&f->servers);
	free(f);
}

static const struct source_ops failover_ops = {
	.submit = failover_submit,
	.wait = failover_wait,
	.wake = failover_wake,
	.release = failover_release,
	.promote = failover_promote,
	.reject = failover_reject,
	.pin = failover_pin,
	.move_on = failover_move_on,
	.allow_sequential = failover_allow_sequential,
	.servers = failover_servers,
	.set_servers = failover_set_servers,
	.room = failover_room,
	.status = failover_status,
	.free = failover_free,
};

static int64_t monotonic_ms(void *ctx)
{
	(void)ctx;
	return clock_ms();
}

static struct source_failover_clock real_clock(void)
{
	struct source_failover_clock clock = {.now_ms = monotonic_ms};

	/* Before the kernel's random pool is ready: the time will do for jitter. */
	if (getrandom(&clock.seed, sizeof clock.seed, GRND_NONBLOCK) != sizeof clock.seed)
		clock.seed = (uint64_t)clock_ms() ^ (uint64_t)getpid() << 32;
	return clock;
}

int source_failover_new(const struct options *o, struct transport *t,
			const struct source_failover_clock *clock, struct source **ret)
{
	if (o->n_servers == 0)
		return -EINVAL;
	struct failover *f = calloc(1, sizeof *f);
	if (!f)
		return -ENOMEM;
	f->base.ops = &failover_ops;
	f->t = t;
	f->clock = clock ? *clock : real_clock();
	_Static_assert(OPTIONS_CONNECTIONS_MAX == TRANSPORT_SLOTS,
		       "a request needs a slot");
	f->connections = o->connections ? o->connections : 1;
	f->was_usable = true;
	/*
	 * Attempts of an earlier serving process over the same channel are not mistaken
	 * for ours.
	 */
	f->next_attempt = (uint64_t)now_of(f) << 20;
	servers_init(&f->servers, o, f->clock.seed);
	*ret = &f->base;
	return 0;
}
