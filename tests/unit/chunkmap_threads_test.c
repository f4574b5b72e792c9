// SPDX-License-Identifier: Apache-2.0
/* chunkmap_threads_test.c - writers and store_begin keep each other out; a flood of demand */
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "map/chunkmap.h"

#define CHUNK 65536u
#define BLOCK 4096u
#define N_CHUNKS 4u

static void no_wake(void *ctx _unused_)
{
}

static struct chunkmap *new_map(uint64_t n_chunks)
{
	struct chunkmap *cm;

	assert_int_equal(chunkmap_new(n_chunks * CHUNK, CHUNK, no_wake, NULL, &cm), 0);
	return cm;
}

struct step {
	struct chunkmap *cm;
	atomic_bool is_done;
	uint8_t valid[2];
};

static void *store_chunk_0(void *arg)
{
	struct step *s = arg;

	chunkmap_store_begin(s->cm, 0, s->valid);
	atomic_store(&s->is_done, true);
	return NULL;
}

static void *write_across(void *arg)
{
	struct step *s = arg;
	struct chunk_writer w;

	chunkmap_write_begin(s->cm, &w, 15 * BLOCK, 2 * BLOCK);
	atomic_store(&s->is_done, true);
	struct chunk_waiter *list = chunkmap_write_end(s->cm, &w, true);
	assert(!list);
	return NULL;
}

/* store_begin waits for the writer; a second writer waits for the store, not the other way. */
static void each_waits_for_the_other(void **state _unused_)
{
	struct step storing = {.cm = new_map(2)}, writing = {.cm = storing.cm};
	pthread_t store_thread, write_thread;
	struct chunk_writer first;

	assert_true(chunkmap_claim(storing.cm, 0));
	chunkmap_write_begin(storing.cm, &first, 3 * BLOCK, BLOCK);
	pthread_create(&store_thread, NULL, store_chunk_0, &storing);
	usleep(20000);
	assert_false(atomic_load(&storing.is_done));
	pthread_create(&write_thread, NULL, write_across, &writing);
	usleep(20000);
	assert_false(atomic_load(&writing.is_done));
	assert_null(chunkmap_write_end(storing.cm, &first, true));
	pthread_join(store_thread, NULL);
	/* What the first writer wrote is not to be stored over. */
	assert_int_equal(storing.valid[0], 0x08);
	usleep(20000);
	assert_false(atomic_load(&writing.is_done));
	assert_null(chunkmap_store_end(storing.cm, 0, true));
	pthread_join(write_thread, NULL);
	assert_int_equal(chunkmap_state(storing.cm, 1), CHUNK_PARTIAL);
	chunkmap_free(storing.cm);
}

/* A write beside the chunk, and one to a chunk that is READY, wait for nothing. */
static void others_do_not_wait(void **state _unused_)
{
	struct chunkmap *cm = new_map(3);
	struct chunk_writer beside, ready, twin;
	uint8_t valid[2];

	assert_null(chunkmap_mark_zero(cm, 1));
	assert_true(chunkmap_claim(cm, 0));
	chunkmap_write_begin(cm, &ready, CHUNK, CHUNK);
	chunkmap_write_begin(cm, &beside, CHUNK, 2 * CHUNK);
	chunkmap_write_begin(cm, &twin, 2 * CHUNK, BLOCK);
	chunkmap_store_begin(cm, 0, valid);
	assert_null(chunkmap_write_end(cm, &beside, true));
	assert_null(chunkmap_write_end(cm, &twin, true));
	assert_null(chunkmap_write_end(cm, &ready, true));
	assert_null(chunkmap_store_end(cm, 0, true));
	assert_true(chunkmap_is_complete(cm));
	chunkmap_free(cm);
}

/* Who is in the chunk now: writers count up, the one that stores sets STORING. */
#define STORING 1000

struct arena {
	struct chunkmap *cm;
	atomic_int inside[N_CHUNKS];
	atomic_uint n_writes;
	atomic_bool stop;
};

static void *writer_thread(void *arg)
{
	struct arena *a = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed;

	while (!atomic_load(&a->stop)) {
		uint64_t ci = (unsigned)rand_r(&seed) % (N_CHUNKS - 1);
		struct chunk_writer w;

		/* Fails in the end, so that the chunks never become READY. */
		chunkmap_write_begin(a->cm, &w, ci * CHUNK + 15 * BLOCK, 2 * BLOCK);
		for (uint64_t i = ci; i < ci + 2; i++) {
			int others = atomic_fetch_add(&a->inside[i], 1);

			assert(others < STORING);
		}
		atomic_fetch_add(&a->n_writes, 1);
		for (uint64_t i = ci; i < ci + 2; i++)
			atomic_fetch_sub(&a->inside[i], 1);
		struct chunk_waiter *list = chunkmap_write_end(a->cm, &w, false);
		assert(!list);
	}
	return NULL;
}

static void *storing_thread(void *arg)
{
	struct arena *a = arg;
	uint8_t valid[2];

	for (unsigned i = 0; i < 600; i++) {
		uint64_t ci = i % N_CHUNKS;

		if (!chunkmap_claim(a->cm, ci))
			continue;
		chunkmap_store_begin(a->cm, ci, valid);
		int others = atomic_fetch_add(&a->inside[ci], STORING);
		assert(others == 0);
		atomic_fetch_sub(&a->inside[ci], STORING);
		struct chunk_waiter *list = chunkmap_store_end(a->cm, ci, false);
		assert(!list);
	}
	return NULL;
}

/* Neither starves: the storing threads come to their end under a stream of writes. */
static void never_both(void **state _unused_)
{
	struct arena a = {.cm = new_map(N_CHUNKS)};
	pthread_t writers[3], storers[3];

	for (unsigned i = 0; i < 3; i++) {
		pthread_create(&writers[i], NULL, writer_thread, &a);
		pthread_create(&storers[i], NULL, storing_thread, &a);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(storers[i], NULL);
	atomic_store(&a.stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(writers[i], NULL);
	assert_int_not_equal(atomic_load(&a.n_writes), 0);
	chunkmap_free(a.cm);
}

/* More chunks demanded and written over in an outage than the queue holds: none is forgotten. */
static void demand_beyond_the_queue(void **state _unused_)
{
	const uint64_t n_stale = 128 * 1024, n_live = 100;
	struct chunkmap *cm = new_map(n_stale + n_live);
	struct chunk_waiter *w = calloc(n_live, sizeof *w), one;
	uint64_t ci, n_found = 0;

	for (ci = 0; ci < n_stale; ci++) {
		one = (struct chunk_waiter){.img_off = ci * CHUNK, .n_bytes = BLOCK};
		assert_false(chunkmap_want(cm, &one));
		assert_ptr_equal(chunkmap_mark_zero(cm, ci), &one);
	}
	for (uint64_t i = 0; i < n_live; i++) {
		w[i].img_off = (n_stale + i) * CHUNK;
		w[i].n_bytes = CHUNK;
		assert_false(chunkmap_want(cm, &w[i]));
	}
	for (; chunkmap_next_demand(cm, &ci); n_found++)
		assert_true(ci >= n_stale && chunkmap_claim(cm, ci));
	assert_int_equal(n_found, n_live);
	assert_non_null(chunkmap_take_all_waiters(cm));
	chunkmap_free(cm);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_waits_for_the_other),
		cmocka_unit_test(others_do_not_wait),
		cmocka_unit_test(never_both),
		cmocka_unit_test(demand_beyond_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
