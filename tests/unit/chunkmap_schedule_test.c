// SPDX-License-Identifier: Apache-2.0
/*
 * chunkmap_schedule_test.c - two or three actors on one small map and store, in every
 * order there is
 *
 * An actor is a reader, a writer, a fetch, the hot pack or the eviction of a chunk, as
 * readpath.c, writepath.c, workers.c and cache.c go about it; each of its steps is one
 * call of the map or of the store.  Actors are coroutines of one thread: where one would
 * wait for a condition, pthread_cond_wait, which this program has its own of, gives the
 * turn to another.  All orders of steps are gone through, depth first, each from the
 * start.
 *
 * The model is one value a block: the image's, or what the last write put into the store.
 * A read must find exactly that, whatever else goes on; every read must end; and what was
 * not written must be gone from the store after everything has left.  Then rules are
 * broken, one at a time, and it has to be noticed.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include <cmocka.h>

#include "map/chunkmap_internal.h"

#define CHUNK 32768u
#define BLOCK 4096u
#define PER_CHUNK 8u
#define N_BLOCKS 14u /* two chunks, the second of six blocks */
#define N_CHUNKS 2u
#define ACTORS_MAX 5u
#define STEPS_MAX 256u
#define STACK_BYTES 65536u
#define SPOILT 77u

enum kind { READ, WRITE, DISCARD, FETCH, PACK, EVICT, ZERO };

/* What is left out or done wrong on purpose. */
enum broken {
	NOTHING,
	READ_UNSEEN, /* a reader looks whether blocks are valid, but does not register */
	WRITE_UNSEEN, /* a writer tells the map when all is done */
	FETCH_OVER_WRITES, /* fetched bytes go over blocks that are valid */
	FETCH_TOO_SOON, /* READY before the bytes are in the store */
	PACK_OVER_WRITES,
	EVICT_WRITTEN, /* written blocks are thrown away too */
	EVICT_UNASKED, /* thrown away although the map says no */
	EVICT_FIRST, /* thrown away before the map knows */
};

struct order {
	enum kind kind;
	unsigned first, n; /* blocks; FETCH, EVICT, ZERO: first is a chunk */
	bool fails; /* WRITE, FETCH, PACK, EVICT: the store does */
	bool is_spoilt; /* PACK: its blocks are not the image's */
};

struct actor {
	struct order order;
	uint8_t value; /* WRITE */
	ucontext_t context;
	bool is_done, is_blocked;
	struct chunk_waiter waiter; /* READ */
};

static struct {
	struct chunkmap *cm;
	enum broken broken;
	bool chunk_0_is_zero;
	uint8_t store[N_BLOCKS], model[N_BLOCKS];
	bool written[N_BLOCKS];
	bool failed
		[N_BLOCKS]; /* to be written: then what was there before is right, too */
	uint8_t before[N_BLOCKS];
	bool is_spoilt; /* a pack was; what it brought is right until the chunk comes */

	ucontext_t scheduler;
	struct actor actors[ACTORS_MAX];
	struct actor *running; /* NULL: the test itself */
	unsigned n_actors;
	const char *wrong; /* what was noticed first */

	/* the way through the tree of orders */
	unsigned choice[STEPS_MAX], n_choices[STEPS_MAX], depth, fixed;
	uint64_t rng; /* not 0: any way */
} t;

static uint8_t stacks[ACTORS_MAX][STACK_BYTES] __attribute__((aligned(16)));

static void no_wake(void *ctx _unused_)
{
}

static void wrong(const char *what)
{
	if (!t.wrong)
		t.wrong = what;
}

static uint8_t image_of(unsigned block)
{
	return t.chunk_0_is_zero && block < PER_CHUNK ? 0 : (uint8_t)(1 + block);
}

static unsigned end_of(unsigned ci)
{
	return (unsigned)min_u64((ci + 1) * PER_CHUNK, N_BLOCKS);
}

static bool is_right(unsigned b)
{
	return t.store[b] == t.model[b] || (t.failed[b] && t.store[b] == t.before[b]) ||
	       (t.is_spoilt && t.store[b] == SPOILT);
}

/* -- turns -------------------------------------------------------------------------------- */

/* The end of a step. */
static void turn(void)
{
	struct actor *a = t.running;

	if (a)
		swapcontext(&a->context, &t.scheduler);
}

int pthread_cond_wait(pthread_cond_t *c _unused_, pthread_mutex_t *m)
{
	assert(t.running); /* else nobody is left who could end the wait */
	pthread_mutex_unlock(m);
	t.running->is_blocked = true;
	turn();
	pthread_mutex_lock(m);
	return 0;
}

/* Whoever waits looks again. */
int pthread_cond_broadcast(pthread_cond_t *c _unused_)
{
	for (unsigned i = 0; i < t.n_actors; i++)
		if (!t.actors[i].waiter.has_waited)
			t.actors[i].is_blocked = false;
	return 0;
}

/* -- steps -------------------------------------------------------------------------------- */

static void give_back(struct chunk_waiter *list)
{
	while (list) {
		struct chunk_waiter *w = list;

		list = list->next;
		for (unsigned i = 0; i < t.n_actors; i++)
			if (w == &t.actors[i].waiter)
				t.actors[i].is_blocked = false;
	}
}

static void do_read(struct actor *a)
{
	struct chunk_waiter *w = &a->waiter;

	*w = (struct chunk_waiter){
		.img_off = a->order.first * BLOCK,
		.n_bytes = a->order.n * BLOCK,
	};
	while (t.broken == READ_UNSEEN
		       ? !chunkmap_is_valid(t.cm, w->img_off, w->n_bytes) &&
				 !chunkmap_want(t.cm, w)
		       : !chunkmap_want(t.cm, w)) {
		a->is_blocked = true;
		turn();
	}
	turn();
	for (unsigned b = a->order.first; b < a->order.first + a->order.n; b++)
		if (!is_right(b))
			wrong("a read found something else");
	turn();
	if (t.broken != READ_UNSEEN)
		chunkmap_read_end(t.cm, &w->reader);
}

static void do_write(struct actor *a)
{
	struct chunk_writer w;
	uint64_t off = a->order.first * BLOCK, n_bytes = a->order.n * BLOCK;

	if (t.broken != WRITE_UNSEEN)
		chunkmap_write_begin(t.cm, &w, off, n_bytes);
	turn();
	for (unsigned b = a->order.first; b < a->order.first + a->order.n; b++) {
		t.failed[b] = a->order.fails;
		t.before[b] = t.model[b];
		/* A store that fails may have done a part. */
		if (a->order.fails && b > a->order.first)
			continue;
		t.store[b] = t.model[b] = a->value;
		t.written[b] = true;
	}
	turn();
	if (t.broken == WRITE_UNSEEN)
		chunkmap_write_begin(t.cm, &w, off, n_bytes);
	give_back(chunkmap_write_end(t.cm, &w, !a->order.fails));
}

static bool bit(const uint8_t *bits, unsigned i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* With the chunk claimed. */
static void fetch(uint64_t ci, bool fails)
{
	unsigned first = (unsigned)ci * PER_CHUNK, end = end_of((unsigned)ci);
	uint8_t valid[1], packed[1] = {0};

	chunkmap_store_begin(t.cm, ci, valid);
	turn();
	if (t.broken == FETCH_TOO_SOON)
		give_back(chunkmap_store_end(t.cm, ci, true));
	else if (!chunkmap_store_packed(t.cm, ci, packed))
		packed[0] = 0;
	if (t.broken == FETCH_TOO_SOON)
		turn();
	for (unsigned b = first; b < end && !fails; b++)
		if (!bit(valid, b - first) || bit(packed, b - first) ||
		    t.broken == FETCH_OVER_WRITES)
			t.store[b] = image_of(b);
	turn();
	if (t.broken != FETCH_TOO_SOON)
		give_back(chunkmap_store_end(t.cm, ci, !fails));
	/* As the engine does: it is fetched again when somebody waits. */
	if (fails && chunkmap_claim(t.cm, ci))
		chunkmap_unclaim(t.cm, ci);
}

static void do_fetch(struct actor *a)
{
	if (!chunkmap_claim(t.cm, a->order.first))
		return;
	turn();
	fetch(a->order.first, a->order.fails);
}

static void do_pack(struct actor *a)
{
	unsigned ci = a->order.first / PER_CHUNK, first = a->order.first % PER_CHUNK;
	uint8_t valid[1];

	t.is_spoilt = t.is_spoilt || a->order.is_spoilt;
	chunkmap_promise(t.cm, ci, first, a->order.n);
	turn();
	if (!chunkmap_part_begin(t.cm, ci, valid))
		return;
	turn();
	for (unsigned i = first; i < first + a->order.n && !a->order.fails; i++)
		if (!bit(valid, i) || t.broken == PACK_OVER_WRITES)
			t.store[ci * PER_CHUNK + i] =
				a->order.is_spoilt ? SPOILT
						   : image_of(ci * PER_CHUNK + i);
	turn();
	give_back(chunkmap_part_end(t.cm, ci, first, a->order.n, !a->order.fails));
	turn();
	if (a->order.fails)
		chunkmap_unpromise(t.cm, ci, first, a->order.n);
}

static void throw_away(unsigned ci, const uint8_t *kept)
{
	for (unsigned b = ci * PER_CHUNK; b < end_of(ci); b++)
		if (!bit(kept, b % PER_CHUNK) || t.broken == EVICT_WRITTEN)
			t.store[b] = 0;
}

/* False: it cannot leave. */
static bool age_of(uint64_t ci, struct chunk_age *ret)
{
	uint64_t from = ci;
	unsigned n;

	(void)!chunkmap_ages(t.cm, &from, ret, 1, &n);
	return n && ret->ci == ci;
}

static void do_evict(struct actor *a)
{
	unsigned ci = a->order.first;
	uint8_t kept[1] = {0};
	struct chunk_age age;

	if (!age_of(ci, &age))
		return;
	turn();
	if (t.broken == EVICT_FIRST) {
		throw_away(ci, kept);
		turn();
	}
	if (!chunkmap_evict_begin(t.cm, &age, kept)) {
		if (t.broken == EVICT_UNASKED)
			throw_away(ci, kept);
		return;
	}
	turn();
	if (!a->order.fails)
		throw_away(ci, kept);
	turn();
	chunkmap_evict_end(t.cm, ci, !a->order.fails);
}

static void actor_main(int index)
{
	struct actor *a = &t.actors[index];

	switch (a->order.kind) {
	case READ:
		do_read(a);
		break;
	case WRITE:
	case DISCARD:
		do_write(a);
		break;
	case FETCH:
		do_fetch(a);
		break;
	case PACK:
		do_pack(a);
		break;
	case EVICT:
		do_evict(a);
		break;
	case ZERO:
		give_back(chunkmap_mark_zero(t.cm, a->order.first));
		break;
	}
	a->is_done = true;
	turn();
}

/* -- one order of steps ------------------------------------------------------------------- */

static void give_turn(struct actor *a)
{
	t.running = a;
	swapcontext(&t.scheduler, &a->context);
	t.running = NULL;
}

static unsigned choose(unsigned n)
{
	assert(t.depth < STEPS_MAX);
	if (t.rng) {
		t.rng = t.rng * 6364136223846793005u + 1442695040888963407u;
		return (unsigned)(t.rng >> 33) % n;
	}
	if (t.depth >= t.fixed)
		t.choice[t.depth] = 0;
	t.n_choices[t.depth] = n;
	return t.choice[t.depth++];
}

/* False: nobody can do anything. */
static bool one_step(void)
{
	struct actor *able[ACTORS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < t.n_actors; i++)
		if (!t.actors[i].is_done && !t.actors[i].is_blocked)
			able[n++] = &t.actors[i];
	if (n)
		give_turn(able[choose(n)]);
	return n > 0;
}

static bool all_done(void)
{
	for (unsigned i = 0; i < t.n_actors; i++)
		if (!t.actors[i].is_done)
			return false;
	return true;
}

/*
 * The engine: what is demanded is fetched, and that must be enough for everybody to come
 * to an end.
 */
static void run_to_the_end(void)
{
	uint64_t ci;

	while (one_step() || !all_done()) {
		bool any = false;

		for (unsigned i = 0; i < t.n_actors; i++)
			any = any || (!t.actors[i].is_done && !t.actors[i].is_blocked);
		if (any || all_done())
			continue;
		if (!chunkmap_next_demand(t.cm, &ci) || !chunkmap_claim(t.cm, ci)) {
			wrong("somebody waits, and nothing is demanded");
			give_back(chunkmap_take_all_waiters(t.cm));
			return;
		}
		fetch(ci, false);
	}
}

static void fetch_all(void)
{
	for (unsigned i = 0; i < N_CHUNKS; i++)
		if (chunkmap_claim(t.cm, i))
			fetch(i, false);
}

static void evict_all(void)
{
	struct chunk_age age;
	uint8_t kept[1];

	for (unsigned i = 0; i < N_CHUNKS; i++) {
		if (!age_of(i, &age) || !chunkmap_evict_begin(t.cm, &age, kept))
			continue;
		throw_away(i, kept);
		chunkmap_evict_end(t.cm, i, true);
	}
}

/* Everything comes, is as it should be, leaves, and is the same when it comes again. */
static void check_the_end(void)
{
	uint8_t seen[N_BLOCKS];
	uint64_t ci;

	while (chunkmap_next_demand(t.cm, &ci))
		;
	t.is_spoilt = false;
	fetch_all();
	memcpy(seen, t.store, sizeof seen);
	for (unsigned b = 0; b < N_BLOCKS; b++)
		if (!is_right(b) || !chunkmap_is_valid(t.cm, b * BLOCK, BLOCK))
			wrong("a block is not what it should be in the end");
	evict_all();
	for (unsigned b = 0; b < N_BLOCKS; b++) {
		if (!t.written[b] && !t.failed[b] && t.store[b] != 0)
			wrong("a block of the image did not leave");
		if (t.written[b] && !t.failed[b] && t.store[b] != t.model[b])
			wrong("a written block has left");
	}
	fetch_all();
	if (memcmp(seen, t.store, sizeof seen) != 0)
		wrong("a block is another when it has left and come again");
}

/* As chunkmap_new leaves it. */
static void reset_map(void)
{
	struct chunkmap *cm = t.cm;

	memset(cm->marks, 0, N_CHUNKS);
	memset(cm->valid, 0, N_CHUNKS);
	memset(cm->packed, 0, N_CHUNKS);
	memset(cm->promised, 0, N_CHUNKS);
	memset(cm->stamps, 0, N_CHUNKS * sizeof *cm->stamps);
	memset(cm->waiters, 0, sizeof cm->waiters);
	cm->clock = 1;
	cm->demand.head = cm->demand.tail = QUEUE_START;
	cm->writers = NULL;
	cm->readers = NULL;
	cm->n_storing = 0;
	cm->n_ready = cm->ready_blocks = cm->n_waiting = cm->n_demanded = 0;
	cm->clean_blocks = 0;
}

static void prepare_actors(const struct order *orders, unsigned n)
{
	t.n_actors = n;
	for (unsigned i = 0; i < n; i++) {
		struct actor *a = &t.actors[i];

		a->order = orders[i];
		a->value = orders[i].kind == DISCARD ? 0 : (uint8_t)(100 + i);
		a->is_done = a->is_blocked = false;
		a->waiter = (struct chunk_waiter){0};
		getcontext(&a->context);
		a->context.uc_stack.ss_sp = stacks[i];
		a->context.uc_stack.ss_size = STACK_BYTES;
		a->context.uc_link = NULL;
		makecontext(&a->context, (void (*)(void))(void *)actor_main, 1, (int)i);
	}
}

/* -- every order -------------------------------------------------------------------------- */

struct scenario {
	const char *name; /* "zeros …": the image has zeros in chunk 0 */
	unsigned n_before,
		n; /* of the orders: done one after another first, and then all at once */
	struct order orders[8];
};

static void run_once(const struct scenario *s)
{
	enum broken broken = t.broken;

	reset_map();
	t.wrong = NULL;
	t.chunk_0_is_zero = strncmp(s->name, "zeros", 5) == 0;
	memset(t.store, 0, sizeof t.store);
	memset(t.written, 0, sizeof t.written);
	memset(t.failed, 0, sizeof t.failed);
	t.is_spoilt = false;
	for (unsigned b = 0; b < N_BLOCKS; b++)
		t.model[b] = image_of(b);
	t.broken = NOTHING;
	for (unsigned i = 0; i < s->n_before; i++) {
		prepare_actors(&s->orders[i], 1);
		while (!t.actors[0].is_done)
			give_turn(&t.actors[0]);
	}
	t.broken = broken;
	t.depth = 0;
	prepare_actors(&s->orders[s->n_before], s->n);
	run_to_the_end();
	t.broken = broken == EVICT_WRITTEN ? broken : NOTHING;
	if (!t.wrong)
		check_the_end();
	t.broken = broken;
}

/* The next order, depth first; false: there is none. */
static bool next_order(void)
{
	while (t.depth && t.choice[t.depth - 1] + 1 == t.n_choices[t.depth - 1])
		t.depth--;
	if (t.depth == 0)
		return false;
	t.choice[t.depth - 1]++;
	t.fixed = t.depth;
	return true;
}

static void show_order(const struct scenario *s)
{
	print_message("%s: %s, after the steps", s->name, t.wrong);
	for (unsigned i = 0; i < t.depth; i++)
		print_message(" %u", t.choice[i]);
	print_message("\n");
}

/* How many orders there are; stops at the first that goes wrong, which t.wrong tells then. */
static unsigned run_all(const struct scenario *s)
{
	unsigned n = 0;

	t.fixed = 0;
	do {
		run_once(s);
		n++;
	} while (!t.wrong && next_order());
	return n;
}

#define READ_(first, n)                                                                  \
	{                                                                                \
		READ, first, n, false, false                                             \
	}
#define WRITE_(first, n)                                                                 \
	{                                                                                \
		WRITE, first, n, false, false                                            \
	}
#define WRITE_FAILS(first, n)                                                            \
	{                                                                                \
		WRITE, first, n, true, false                                             \
	}
#define DISCARD_(first, n)                                                               \
	{                                                                                \
		DISCARD, first, n, false, false                                          \
	}
#define FETCH_(ci)                                                                       \
	{                                                                                \
		FETCH, ci, 0, false, false                                               \
	}
#define FETCH_FAILS(ci)                                                                  \
	{                                                                                \
		FETCH, ci, 0, true, false                                                \
	}
#define PACK_(first, n)                                                                  \
	{                                                                                \
		PACK, first, n, false, false                                             \
	}
#define PACK_FAILS(first, n)                                                             \
	{                                                                                \
		PACK, first, n, true, false                                              \
	}
#define PACK_SPOILT(first, n)                                                            \
	{                                                                                \
		PACK, first, n, false, true                                              \
	}
#define EVICT_(ci)                                                                       \
	{                                                                                \
		EVICT, ci, 0, false, false                                               \
	}
#define EVICT_FAILS(ci)                                                                  \
	{                                                                                \
		EVICT, ci, 0, true, false                                                \
	}
#define ZERO_(ci)                                                                        \
	{                                                                                \
		ZERO, ci, 0, false, false                                                \
	}

static const struct scenario scenarios[] = {
	{"write, fetch", 0, 2, {WRITE_(2, 2), FETCH_(0)}},
	{"two writes, fetch", 0, 3, {WRITE_(2, 2), WRITE_(3, 2), FETCH_(0)}},
	{"write all, fetch, read", 0, 3, {WRITE_(0, 8), FETCH_(0), READ_(1, 2)}},
	{"write across, fetch, fetch", 0, 3, {WRITE_(7, 2), FETCH_(0), FETCH_(1)}},
	{"write, discard, fetch", 0, 3, {WRITE_(2, 2), DISCARD_(1, 3), FETCH_(0)}},
	{"failing write, fetch, read", 0, 3, {WRITE_FAILS(2, 2), FETCH_(0), READ_(1, 1)}},
	{"write, failing fetch, read", 0, 3, {WRITE_(2, 2), FETCH_FAILS(0), READ_(0, 4)}},
	{"read across, fetch, fetch", 0, 3, {READ_(7, 2), FETCH_(0), FETCH_(1)}},
	{"pack, fetch, read", 0, 3, {PACK_(1, 3), FETCH_(0), READ_(2, 1)}},
	{"pack, write, read", 0, 3, {PACK_(1, 3), WRITE_(2, 1), READ_(1, 3)}},
	{"pack, write, fetch", 0, 3, {PACK_(1, 3), WRITE_(2, 2), FETCH_(0)}},
	{"failing pack, read, write",
	 0,
	 3,
	 {PACK_FAILS(1, 3), READ_(2, 1), WRITE_(3, 1)}},
	{"two packs, read", 0, 3, {PACK_(1, 2), PACK_(3, 2), READ_(2, 2)}},
	{"there: read, evict", 1, 2, {FETCH_(0), READ_(1, 4), EVICT_(0)}},
	{"there: read, read, evict",
	 1,
	 3,
	 {FETCH_(0), READ_(1, 4), READ_(0, 8), EVICT_(0)}},
	{"there: write, evict", 1, 2, {FETCH_(0), WRITE_(1, 4), EVICT_(0)}},
	{"there: write, read, evict",
	 1,
	 3,
	 {FETCH_(0), WRITE_(2, 2), READ_(1, 4), EVICT_(0)}},
	{"there: write, fetch, evict",
	 1,
	 3,
	 {FETCH_(0), WRITE_(2, 2), FETCH_(0), EVICT_(0)}},
	{"there: discard, read, evict",
	 1,
	 3,
	 {FETCH_(0), DISCARD_(0, 8), READ_(1, 4), EVICT_(0)}},
	{"there: failing write, read, evict",
	 1,
	 3,
	 {FETCH_(0), WRITE_FAILS(2, 2), READ_(1, 4), EVICT_(0)}},
	{"there: read, fetch, evict",
	 1,
	 3,
	 {FETCH_(0), READ_(2, 2), FETCH_(0), EVICT_(0)}},
	{"there: pack, read, evict",
	 1,
	 3,
	 {FETCH_(0), PACK_(2, 2), READ_(2, 2), EVICT_(0)}},
	{"there: pack, fetch, evict",
	 1,
	 3,
	 {FETCH_(0), PACK_(2, 2), FETCH_(0), EVICT_(0)}},
	{"there: evict twice, read",
	 1,
	 3,
	 {FETCH_(0), EVICT_(0), EVICT_(0), READ_(2, 2)}},
	{"both there: read across, evict, evict",
	 2,
	 3,
	 {FETCH_(0), FETCH_(1), READ_(6, 4), EVICT_(0), EVICT_(1)}},
	{"both there: write across, evict, evict",
	 2,
	 3,
	 {FETCH_(0), FETCH_(1), WRITE_(6, 4), EVICT_(0), EVICT_(1)}},
	{"written to: write, read, evict",
	 2,
	 3,
	 {FETCH_(0), WRITE_(0, 2), WRITE_(1, 2), READ_(0, 4), EVICT_(0)}},
	{"written to: write the rest, fetch, evict",
	 2,
	 3,
	 {FETCH_(0), WRITE_(0, 2), WRITE_(2, 6), FETCH_(0), EVICT_(0)}},
	{"left and written to: write the rest, fetch, read",
	 3,
	 3,
	 {FETCH_(0), WRITE_(0, 2), EVICT_(0), WRITE_(2, 6), FETCH_(0), READ_(0, 8)}},
	{"packed: read, evict", 1, 2, {PACK_(1, 3), READ_(1, 3), EVICT_(0)}},
	{"packed: write, fetch, evict",
	 1,
	 3,
	 {PACK_(1, 3), WRITE_(2, 1), FETCH_(0), EVICT_(0)}},
	{"packed: write, read, evict",
	 1,
	 3,
	 {PACK_(1, 3), WRITE_(2, 1), READ_(1, 3), EVICT_(0)}},
	{"packed: pack, read, evict",
	 1,
	 3,
	 {PACK_(1, 3), PACK_(3, 2), READ_(1, 3), EVICT_(0)}},
	{"packed and written to: write, fetch, evict",
	 2,
	 3,
	 {PACK_(1, 3), WRITE_(2, 1), WRITE_(0, 2), FETCH_(0), EVICT_(0)}},
	{"zeros: write, mark, evict", 0, 3, {WRITE_(2, 2), ZERO_(0), EVICT_(0)}},
	{"zeros: pack, mark, read", 0, 3, {PACK_(2, 2), ZERO_(0), READ_(2, 2)}},
	{"zeros packed: mark, read, evict",
	 1,
	 3,
	 {PACK_(2, 2), ZERO_(0), READ_(2, 2), EVICT_(0)}},
	{"zeros, spoilt pack: mark, read, evict, which fails",
	 1,
	 3,
	 {PACK_SPOILT(2, 2), ZERO_(0), READ_(2, 2), EVICT_FAILS(0)}},
	{"spoilt pack: fetch, read, evict",
	 1,
	 3,
	 {PACK_SPOILT(2, 2), FETCH_(0), READ_(2, 2), EVICT_(0)}},
	{"there: evict, which fails, read, fetch",
	 2,
	 3,
	 {FETCH_(0), WRITE_(1, 2), EVICT_FAILS(0), READ_(1, 4), FETCH_(0)}},
	{"zeros packed: write, mark, evict",
	 1,
	 3,
	 {PACK_(2, 2), WRITE_(3, 3), ZERO_(0), EVICT_(0)}},
};

static void every_order(void **state _unused_)
{
	unsigned n = 0;

	t.rng = 0;
	t.broken = NOTHING;
	for (unsigned i = 0; i < ARRAY_SIZE(scenarios); i++) {
		unsigned orders = run_all(&scenarios[i]);

		if (t.wrong)
			show_order(&scenarios[i]);
		assert_null(t.wrong);
		n += orders;
	}
	print_message("%u orders of steps in %zu scenarios\n", n, ARRAY_SIZE(scenarios));
}

/* More actors than can be gone through: some of the orders. */
static void many_actors(void **state _unused_)
{
	static const struct scenario many[] = {
		{"five",
		 1,
		 5,
		 {FETCH_(0), WRITE_(6, 4), READ_(5, 6), FETCH_(0), EVICT_(0), EVICT_(1)}},
		{"five, packed",
		 1,
		 5,
		 {PACK_(1, 3), PACK_(2, 4), WRITE_(2, 1), READ_(1, 5), FETCH_(0),
		  EVICT_(0)}},
		{"five, two promises",
		 0,
		 5,
		 {PACK_(1, 2), FETCH_(0), EVICT_(0), PACK_(4, 2), READ_(1, 1)}},
		{"five, from nothing",
		 0,
		 5,
		 {PACK_(1, 3), DISCARD_(2, 7), READ_(1, 8), FETCH_(0), EVICT_(0)}},
	};

	t.broken = NOTHING;
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		for (unsigned seed = 1; seed <= 10000; seed++) {
			t.rng = seed;
			run_once(&many[i]);
			if (t.wrong)
				print_message("%s: %s, seed %u\n", many[i].name, t.wrong,
					      seed);
			assert_null(t.wrong);
		}
	t.rng = 0;
}

/* The test can fail: each rule, broken, is noticed. */
static void broken_rules_are_noticed(void **state _unused_)
{
	static const struct {
		enum broken broken;
		struct scenario scenario;
	} cases[] = {
		{READ_UNSEEN, {"reader", 1, 2, {FETCH_(0), READ_(1, 4), EVICT_(0)}}},
		{READ_UNSEEN,
		 {"reader, packed", 1, 2, {PACK_(1, 3), READ_(1, 3), EVICT_(0)}}},
		{WRITE_UNSEEN, {"writer", 1, 2, {FETCH_(0), WRITE_(1, 4), EVICT_(0)}}},
		{WRITE_UNSEEN, {"writer, fetch", 0, 2, {WRITE_(1, 4), FETCH_(0)}}},
		{FETCH_OVER_WRITES, {"fetch", 0, 2, {WRITE_(1, 4), FETCH_(0)}}},
		{FETCH_TOO_SOON, {"fetch", 0, 2, {READ_(1, 4), FETCH_(0)}}},
		{PACK_OVER_WRITES, {"pack", 0, 2, {WRITE_(1, 2), PACK_(1, 4)}}},
		{EVICT_WRITTEN, {"evict", 1, 2, {FETCH_(0), WRITE_(1, 2), EVICT_(0)}}},
		{EVICT_UNASKED, {"evict", 1, 2, {FETCH_(0), READ_(1, 2), EVICT_(0)}}},
		{EVICT_FIRST, {"evict", 1, 2, {FETCH_(0), READ_(1, 2), EVICT_(0)}}},
	};

	t.rng = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		t.broken = cases[i].broken;
		run_all(&cases[i].scenario);
		if (!t.wrong)
			print_message("rule %u, %s: not noticed\n", cases[i].broken,
				      cases[i].scenario.name);
		assert_non_null(t.wrong);
	}
	t.broken = NOTHING;
	reset_map();
}

static int new_map(void **state _unused_)
{
	return chunkmap_new(N_BLOCKS * BLOCK, CHUNK, no_wake, NULL, &t.cm);
}

static int free_map(void **state _unused_)
{
	reset_map();
	chunkmap_free(t.cm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order),
		cmocka_unit_test(many_actors),
		cmocka_unit_test(broken_rules_are_noticed),
	};

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	/* For run.sh: skipped, and why. */
	puts("sanitizers do not follow coroutines");
	return 77;
#endif
	return cmocka_run_group_tests(tests, new_map, free_map);
}
