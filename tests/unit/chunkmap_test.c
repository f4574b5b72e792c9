// SPDX-License-Identifier: Apache-2.0
/* chunkmap_test.c - every transition, one thread: 4 chunks of 16 blocks, the last has 3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "map/chunkmap.h"

#define CHUNK 65536u
#define BLOCK 4096u
#define N_BLOCKS 51u

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

static int setup(void **state)
{
	n_wakes = 0;
	return chunkmap_new(N_BLOCKS * BLOCK, CHUNK, count_wake, NULL,
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

static struct chunk_waiter *do_write(struct chunkmap *cm, uint64_t block, unsigned n,
				     bool ok)
{
	struct chunk_writer w;

	chunkmap_write_begin(cm, &w, block * BLOCK, (uint64_t)n * BLOCK);
	return chunkmap_write_end(cm, &w, ok);
}

static struct chunk_waiter *do_fetch(struct chunkmap *cm, uint64_t ci, uint8_t valid[2],
				     bool ok)
{
	assert_true(chunkmap_claim(cm, ci));
	chunkmap_store_begin(cm, ci, valid);
	return chunkmap_store_end(cm, ci, ok);
}

static bool is_valid(struct chunkmap *cm, uint64_t block, unsigned n)
{
	return chunkmap_is_valid(cm, block * BLOCK, (uint64_t)n * BLOCK);
}

static void starts_absent(void **state)
{
	struct chunkmap_counts c;
	uint64_t ci;

	for (ci = 0; ci < 4; ci++)
		assert_int_equal(chunkmap_state(*state, ci), CHUNK_ABSENT);
	chunkmap_counts(*state, &c);
	assert_int_equal(c.n_chunks, 4);
	assert_int_equal(c.n_ready + c.ready_bytes + c.n_waiting + c.n_demanded, 0);
	assert_false(chunkmap_next_demand(*state, &ci));
	assert_false(chunkmap_is_complete(*state));
	assert_string_equal(chunk_state_name(CHUNK_PARTIAL), "partial");
}

static void fetch_makes_ready(void **state)
{
	struct chunk_waiter w = reader(5, 2);
	struct chunkmap_counts c;
	uint8_t valid[2];

	assert_false(want(*state, &w));
	assert_int_equal(n_wakes, 1);
	assert_int_equal(w.ci, 0);
	assert_ptr_equal(do_fetch(*state, 0, valid, true), &w);
	assert_null(w.next);
	assert_int_equal(valid[0] | valid[1], 0);
	assert_int_equal(chunkmap_state(*state, 0), CHUNK_READY);
	assert_true(want(*state, &w));
	assert_false(chunkmap_claim(*state, 0));
	assert_null(do_fetch(*state, 3, valid, true));
	chunkmap_counts(*state, &c);
	assert_int_equal(c.n_ready, 2);
	assert_int_equal(c.ready_bytes, CHUNK + 3 * BLOCK);
	assert_int_equal(c.n_waiting, 0);
}

static void failed_store_changes_nothing(void **state)
{
	struct chunk_waiter w = reader(0, 1);
	uint8_t valid[2];

	assert_false(want(*state, &w));
	assert_null(do_fetch(*state, 0, valid, false));
	assert_int_equal(chunkmap_state(*state, 0), CHUNK_ABSENT);
	assert_true(chunkmap_has_waiters(*state, 0));
	assert_ptr_equal(do_fetch(*state, 0, valid, true), &w);
}

static void partial_write(void **state)
{
	struct chunk_waiter hit = reader(3, 2), miss = reader(4, 2);
	uint8_t valid[2];

	assert_false(want(*state, &hit));
	assert_false(want(*state, &miss));
	/* Both are asked again, and one must wait again. */
	struct chunk_waiter *list = do_write(*state, 3, 2, true);
	assert_non_null(list);
	assert_non_null(list->next);
	assert_null(list->next->next);
	assert_int_equal(chunkmap_state(*state, 0), CHUNK_PARTIAL);
	assert_true(want(*state, &hit));
	assert_false(want(*state, &miss));
	assert_true(is_valid(*state, 3, 1) && is_valid(*state, 4, 1));
	assert_false(is_valid(*state, 2, 2) || is_valid(*state, 4, 2));
	assert_ptr_equal(do_fetch(*state, 0, valid, true), &miss);
	assert_int_equal(valid[0], 0x18);
	assert_int_equal(valid[1], 0);
	assert_true(is_valid(*state, 0, 16));
}

static void failed_write_makes_nothing_valid(void **state)
{
	assert_null(do_write(*state, 14, 20, false));
	for (uint64_t ci = 0; ci < 4; ci++)
		assert_int_equal(chunkmap_state(*state, ci), CHUNK_ABSENT);
}

static void whole_write_makes_ready(void **state)
{
	struct chunk_waiter w = reader(48, 3);

	assert_false(want(*state, &w));
	assert_null(do_write(*state, 15, 33, true));
	assert_int_equal(chunkmap_state(*state, 0), CHUNK_PARTIAL);
	assert_int_equal(chunkmap_state(*state, 1), CHUNK_READY);
	assert_int_equal(chunkmap_state(*state, 2), CHUNK_READY);
	/* The short last chunk, in two writes. */
	assert_ptr_equal(do_write(*state, 50, 1, true), &w);
	assert_false(want(*state, &w));
	assert_ptr_equal(do_write(*state, 48, 2, true), &w);
	assert_int_equal(chunkmap_state(*state, 3), CHUNK_READY);
	assert_true(want(*state, &w));
	n_wakes = 0;
	assert_null(do_write(*state, 0, 15, true));
	assert_true(chunkmap_is_complete(*state));
	/* No fetch says it: the engine has to be told that this was the last. */
	assert_int_equal(n_wakes, 1);
	assert_null(do_write(*state, 0, 51, true));
	assert_int_equal(n_wakes, 1);
}

static void zero_chunk_with_waiters_and_writes(void **state)
{
	struct chunk_waiter a = reader(17, 1), b = reader(30, 4);
	struct chunk_writer writer;
	uint8_t valid[2];

	assert_false(want(*state, &a));
	assert_false(want(*state, &b));
	assert_non_null(do_write(*state, 20, 2, true));
	assert_false(want(*state, &a));
	assert_false(want(*state, &b));
	chunkmap_write_begin(*state, &writer, 16 * BLOCK, CHUNK);
	struct chunk_waiter *list = chunkmap_mark_zero(*state, 1);

	assert_non_null(list);
	assert_non_null(list->next);
	assert_null(list->next->next);
	assert_int_equal(chunkmap_state(*state, 1), CHUNK_READY);
	assert_null(chunkmap_write_end(*state, &writer, true));
	assert_true(want(*state, &a));
	assert_false(want(*state, &b));
	assert_int_equal(b.ci, 2);
	assert_null(chunkmap_mark_zero(*state, 1));
	assert_ptr_equal(do_fetch(*state, 2, valid, true), &b);
}

static void demanded_once_in_order(void **state)
{
	struct chunk_waiter w[] = {reader(40, 1), reader(0, 1), reader(41, 1),
				   reader(10, 30)};
	struct chunkmap_counts c;
	uint64_t ci;

	for (unsigned i = 0; i < ARRAY_SIZE(w); i++)
		assert_false(want(*state, &w[i]));
	chunkmap_counts(*state, &c);
	assert_int_equal(c.n_waiting, 4);
	assert_int_equal(c.n_demanded, 3);
	assert_true(chunkmap_is_demanded(*state, 1));
	assert_false(chunkmap_is_demanded(*state, 3));
	assert_false(chunkmap_is_demanded(*state, 99));
	assert_true(chunkmap_next_demand(*state, &ci) && ci == 2);
	assert_true(chunkmap_claim(*state, 2));
	assert_true(chunkmap_next_demand(*state, &ci) && ci == 0);
	/* 1 is claimed without the queue, as the fill does. */
	assert_true(chunkmap_claim(*state, 1));
	assert_false(chunkmap_claim(*state, 1));
	assert_false(chunkmap_next_demand(*state, &ci));
	/* Given back: only where a read waits first of all. */
	chunkmap_unclaim(*state, 1);
	assert_false(chunkmap_next_demand(*state, &ci));
	chunkmap_unclaim(*state, 2);
	assert_true(chunkmap_next_demand(*state, &ci) && ci == 2);
	assert_false(chunkmap_next_demand(*state, &ci));
	assert_true(chunkmap_claim(*state, 0));
	chunkmap_unclaim(*state, 0);
	assert_true(chunkmap_next_demand(*state, &ci) && ci == 0);
	assert_false(chunkmap_next_demand(*state, &ci));
	assert_non_null(chunkmap_take_all_waiters(*state));
}

static void next_absent_skips_ready_and_claimed(void **state)
{
	uint8_t valid[2];
	uint64_t ci;

	assert_true(chunkmap_claim(*state, 0));
	assert_null(do_fetch(*state, 1, valid, true));
	assert_null(do_write(*state, 32, 1, true));
	assert_true(chunkmap_next_absent(*state, 0, &ci) && ci == 2);
	assert_true(chunkmap_next_absent(*state, 3, &ci) && ci == 3);
	assert_false(chunkmap_next_absent(*state, 4, &ci));
	chunkmap_unclaim(*state, 0);
	assert_true(chunkmap_next_absent(*state, 0, &ci) && ci == 0);
}

static void all_waiters_are_given_back_once(void **state)
{
	struct chunk_waiter w[20], *list;
	unsigned n = 0;

	for (unsigned i = 0; i < 20; i++) {
		w[i] = reader(i * 2, 2);
		assert_false(want(*state, &w[i]));
	}
	for (list = chunkmap_take_all_waiters(*state); list; list = list->next)
		n++;
	assert_int_equal(n, 20);
	assert_null(chunkmap_take_all_waiters(*state));
	assert_false(chunkmap_has_waiters(*state, 0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(starts_absent),
		T(fetch_makes_ready),
		T(failed_store_changes_nothing),
		T(partial_write),
		T(failed_write_makes_nothing_valid),
		T(whole_write_makes_ready),
		T(zero_chunk_with_waiters_and_writes),
		T(demanded_once_in_order),
		T(next_absent_skips_ready_and_claimed),
		T(all_waiters_are_given_back_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
