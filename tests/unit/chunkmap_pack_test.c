// SPDX-License-Identifier: Apache-2.0
/* chunkmap_pack_test.c - blocks of the hot pack: promised, stored in part, compared in the end */
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

static unsigned n_wakes;

/* Ask, and read if there is something to read. */
static bool want(struct chunkmap *cm, struct chunk_waiter *w)
{
	bool ok = chunkmap_want(cm, w);

	if (ok)
		chunkmap_read_end(cm, &w->reader);
	return ok;
}

static void count_wake(void *ctx _unused_)
{
	n_wakes++;
}

static void no_wake(void *ctx _unused_)
{
}

static int setup(void **state)
{
	n_wakes = 0;
	return chunkmap_new(N_CHUNKS * CHUNK, CHUNK, count_wake, NULL,
			    (struct chunkmap **)state);
}

static int teardown(void **state)
{
	chunkmap_free(*state);
	return 0;
}

static struct chunk_waiter reader(uint64_t block, unsigned n)
{
	return (struct chunk_waiter){.img_off = block * BLOCK, .n_bytes = n * BLOCK};
}

static bool is_valid(struct chunkmap *cm, uint64_t block, unsigned n)
{
	return chunkmap_is_valid(cm, block * BLOCK, (uint64_t)n * BLOCK);
}

static struct chunk_waiter *do_write(struct chunkmap *cm, uint64_t block, unsigned n,
				     bool ok)
{
	struct chunk_writer w;

	chunkmap_write_begin(cm, &w, block * BLOCK, (uint64_t)n * BLOCK);
	return chunkmap_write_end(cm, &w, ok);
}

static struct chunk_waiter *do_part(struct chunkmap *cm, uint64_t ci, uint32_t first,
				    uint32_t n, bool ok)
{
	uint8_t valid[2];

	assert_true(chunkmap_part_begin(cm, ci, valid));
	return chunkmap_part_end(cm, ci, first, n, ok);
}

/* What a fetch of chunk ci sees; it stores and ends well. */
static uint16_t fetch(struct chunkmap *cm, uint64_t ci, uint16_t *ret_packed)
{
	uint8_t valid[2], packed[2] = {0, 0};

	assert_true(chunkmap_claim(cm, ci));
	chunkmap_store_begin(cm, ci, valid);
	(void)!chunkmap_store_packed(cm, ci, packed);
	assert_null(chunkmap_store_end(cm, ci, true));
	*ret_packed = le16_load(packed);
	return le16_load(valid);
}

static void part_becomes_valid(void **state)
{
	struct chunk_waiter hit = reader(18, 2), miss = reader(19, 3);
	struct chunkmap *cm = *state;
	uint16_t packed;

	assert_false(want(cm, &hit));
	assert_false(want(cm, &miss));
	assert_null(do_part(cm, 1, 2, 3, false));
	assert_int_equal(chunkmap_state(cm, 1), CHUNK_ABSENT);
	struct chunk_waiter *list = do_part(cm, 1, 2, 3, true);
	assert_non_null(list);
	assert_non_null(list->next);
	assert_true(want(cm, &hit));
	assert_false(want(cm, &miss));
	assert_int_equal(chunkmap_state(cm, 1), CHUNK_PARTIAL);
	assert_false(is_valid(cm, 17, 1) || is_valid(cm, 21, 1));
	assert_ptr_equal(do_write(cm, 21, 1, true), &miss);
	assert_true(want(cm, &miss));
	assert_int_equal(fetch(cm, 1, &packed), 0x003c);
	assert_int_equal(packed, 0x001c);
	assert_int_equal(chunkmap_state(cm, 1), CHUNK_READY);
}

/* What was written is the user's: no pack block any more, not even where the write failed. */
static void written_over(void **state)
{
	struct chunkmap *cm = *state;
	uint16_t packed;

	assert_null(do_write(cm, 0, 2, true));
	assert_null(do_part(cm, 0, 1, 8, true));
	assert_null(do_write(cm, 3, 1, true));
	assert_null(do_write(cm, 5, 1, false));
	assert_int_equal(fetch(cm, 0, &packed), 0x01ff);
	assert_int_equal(packed, 0x01d4);
}

/* All blocks of a chunk from the pack: it is still to be compared, or to be written over. */
static void whole_chunk_is_not_ready(void **state)
{
	struct chunkmap *cm = *state;
	uint8_t valid[2];
	uint16_t packed;

	for (uint64_t ci = 0; ci < N_CHUNKS; ci++) {
		assert_null(do_part(cm, ci, 0, 16, true));
		assert_int_equal(chunkmap_state(cm, ci), CHUNK_PARTIAL);
		assert_true(is_valid(cm, ci * 16, 16));
	}
	assert_int_equal(fetch(cm, 0, &packed), 0xffff);
	assert_int_equal(packed, 0xffff);
	assert_null(do_write(cm, 16, 8, true));
	assert_int_equal(chunkmap_state(cm, 1), CHUNK_PARTIAL);
	assert_null(do_write(cm, 24, 8, true));
	assert_int_equal(chunkmap_state(cm, 1), CHUNK_READY);
	assert_null(do_write(cm, 32, 32, true));
	assert_true(chunkmap_is_complete(cm));
	assert_false(chunkmap_part_begin(cm, 2, valid));
}

static void a_zero_chunk_is_compared_too(void **state)
{
	struct chunkmap *cm = *state;
	uint8_t valid[2];
	uint16_t packed;

	assert_null(do_part(cm, 2, 5, 1, true));
	assert_null(chunkmap_mark_zero(cm, 2));
	assert_int_equal(chunkmap_state(cm, 2), CHUNK_PARTIAL);
	assert_int_equal(fetch(cm, 2, &packed), 0x0020);
	assert_int_equal(packed, 0x0020);
	/* Just now something is being put there. */
	assert_true(chunkmap_part_begin(cm, 3, valid));
	assert_null(chunkmap_mark_zero(cm, 3));
	assert_int_equal(chunkmap_state(cm, 3), CHUNK_ABSENT);
	assert_null(chunkmap_part_end(cm, 3, 0, 1, true));
}

static void promises(void **state)
{
	struct chunk_waiter in = reader(33, 2), out = reader(34, 2), both = reader(47, 2);
	struct chunkmap *cm = *state;
	struct chunk_waiter *list;
	uint64_t ci;

	chunkmap_promise(cm, 2, 1, 2);
	chunkmap_promise(cm, 2, 15, 1);
	assert_false(want(cm, &in));
	assert_false(chunkmap_next_demand(cm, &ci));
	/* Of two chunks one is promised: the other is demanded. */
	assert_false(want(cm, &both));
	assert_true(chunkmap_next_demand(cm, &ci));
	assert_int_equal(ci, 3);
	assert_false(chunkmap_next_demand(cm, &ci));
	list = do_part(cm, 2, 1, 2, true);
	assert_non_null(list);
	assert_true(want(cm, &in));
	assert_false(want(cm, &both));
	assert_true(chunkmap_next_demand(cm, &ci));
	assert_int_equal(ci, 3);
	assert_false(chunkmap_next_demand(cm, &ci));
	/* Half promised is not promised. */
	assert_false(want(cm, &out));
	assert_true(chunkmap_next_demand(cm, &ci));
	assert_int_equal(ci, 2);
	n_wakes = 0;
	chunkmap_unpromise(cm, 2, 15, 1);
	assert_int_equal(n_wakes, 1);
	assert_true(chunkmap_next_demand(cm, &ci));
	assert_int_equal(ci, 2);
	chunkmap_unpromise(cm, 2, 15, 1);
	chunkmap_unpromise(cm, 0, 0, 16);
	assert_int_equal(n_wakes, 1);
	assert_non_null(chunkmap_take_all_waiters(cm));
}

/* -- threads: whoever stores is alone in its chunk ---------------------------------------- */

#define STORING 1000

struct arena {
	struct chunkmap *cm;
	atomic_int inside[N_CHUNKS];
	atomic_bool stop;
};

static void alone(struct arena *a, uint64_t ci)
{
	int others = atomic_fetch_add(&a->inside[ci], STORING);

	assert(others == 0);
	(void)others;
	atomic_fetch_sub(&a->inside[ci], STORING);
}

static void *part_thread(void *arg)
{
	struct arena *a = arg;
	uint8_t valid[2];

	for (unsigned i = 0; !atomic_load(&a->stop); i++) {
		uint64_t ci = i % N_CHUNKS;

		if (!chunkmap_part_begin(a->cm, ci, valid))
			continue;
		alone(a, ci);
		struct chunk_waiter *list =
			chunkmap_part_end(a->cm, ci, i % 14, 1 + i % 2, i % 3 == 0);
		assert(!list);
		chunkmap_promise(a->cm, ci, i % 14, 2);
		chunkmap_unpromise(a->cm, ci, i % 14, 2);
	}
	return NULL;
}

static void *write_thread(void *arg)
{
	struct arena *a = arg;

	for (unsigned i = 0; !atomic_load(&a->stop); i++) {
		uint64_t ci = i % N_CHUNKS;
		struct chunk_writer w;

		chunkmap_write_begin(a->cm, &w, ci * CHUNK + i % 15 * BLOCK, BLOCK);
		int others = atomic_fetch_add(&a->inside[ci], 1);
		assert(others < STORING);
		(void)others;
		atomic_fetch_sub(&a->inside[ci], 1);
		struct chunk_waiter *list = chunkmap_write_end(a->cm, &w, i % 5 == 0);
		assert(!list);
	}
	return NULL;
}

static void *store_thread(void *arg)
{
	struct arena *a = arg;
	uint8_t valid[2], packed[2];

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t ci = i % N_CHUNKS;

		if (!chunkmap_claim(a->cm, ci))
			continue;
		chunkmap_store_begin(a->cm, ci, valid);
		alone(a, ci);
		/* A block that is to be compared is valid. */
		if (chunkmap_store_packed(a->cm, ci, packed))
			assert(!(le16_load(packed) & ~le16_load(valid)));
		struct chunk_waiter *list = chunkmap_store_end(a->cm, ci, false);
		assert(!list);
	}
	return NULL;
}

static void one_at_a_time(void **state _unused_)
{
	struct arena a = {0};
	pthread_t others[4], storers[2];

	assert_int_equal(chunkmap_new(N_CHUNKS * CHUNK, CHUNK, no_wake, NULL, &a.cm), 0);
	for (unsigned i = 0; i < 2; i++) {
		pthread_create(&others[i], NULL, part_thread, &a);
		pthread_create(&others[2 + i], NULL, write_thread, &a);
		pthread_create(&storers[i], NULL, store_thread, &a);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(storers[i], NULL);
	atomic_store(&a.stop, true);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(others[i], NULL);
	chunkmap_free(a.cm);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(part_becomes_valid),
		T(written_over),
		T(whole_chunk_is_not_ready),
		T(a_zero_chunk_is_compared_too),
		T(promises),
		cmocka_unit_test(one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
