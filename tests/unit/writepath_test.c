// SPDX-License-Identifier: Apache-2.0
/* writepath_test.c - writes and discards before, while and after the chunk comes */
#include "tests/unit/rig.h"

static struct rig g;
static uint8_t mine[READ_BYTES_MAX];

static int setup(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 300, .no_fill = true};

	memset(mine, 0x77, sizeof mine);
	rig_init(&g, &o);
	return 0;
}

static int teardown(void **state _unused_)
{
	rig_fini(&g);
	return 0;
}

/* Blocks [first, first + n) read as `byte`. */
static void expect_bytes(uint64_t first, unsigned n, uint8_t byte)
{
	uint8_t buf[RIG_BLOCK];

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(rig_read(&g, (first + i) * RIG_BLOCK, buf, RIG_BLOCK),
				 0);
		for (unsigned k = 0; k < RIG_BLOCK; k++)
			assert_int_equal(buf[k], byte);
	}
}

static void written_before_it_was_there(void **state _unused_)
{
	assert_int_equal(writepath_write(g.wp, 18 * RIG_BLOCK, mine, 5 * RIG_BLOCK), 0);
	expect_bytes(18, 5, 0x77);
	assert_int_equal(rig_requests(&g).n_requests, 0);
	rig_start(&g);
	rig_expect(&g, 16 * RIG_BLOCK, 2 * RIG_BLOCK);
	rig_expect(&g, 23 * RIG_BLOCK, 9 * RIG_BLOCK);
	expect_bytes(18, 5, 0x77);
	assert_int_equal(chunkmap_state(g.cm, 1), CHUNK_READY);
}

static void whole_chunks_need_no_fetch(void **state _unused_)
{
	assert_int_equal(writepath_write(g.wp, RIG_BLOCK, mine, READ_BYTES_MAX), 0);
	for (uint64_t ci = 1; ci < 16; ci++)
		assert_int_equal(chunkmap_state(g.cm, ci), CHUNK_READY);
	assert_int_equal(chunkmap_state(g.cm, 0), CHUNK_PARTIAL);
	assert_int_equal(chunkmap_state(g.cm, 16), CHUNK_PARTIAL);
	rig_start(&g);
	expect_bytes(1, 256, 0x77);
	assert_int_equal(rig_requests(&g).n_requests, 0);
	rig_expect(&g, 0, RIG_BLOCK);
}

/* More than one piece, from the middle of a chunk to the middle of another. */
static void a_large_discard(void **state _unused_)
{
	const uint64_t first = 5, end = 290 * RIG_BLOCKS_PER_CHUNK + 9;
	struct store_fault_counts counts;

	assert_int_equal(writepath_write(g.wp, 7 * RIG_BLOCK, mine, 64 * RIG_BLOCK), 0);
	assert_int_equal(
		writepath_discard(g.wp, first * RIG_BLOCK, (end - first) * RIG_BLOCK), 0);
	for (uint64_t ci = 1; ci < 290; ci++)
		assert_int_equal(chunkmap_state(g.cm, ci), CHUNK_READY);
	store_fault_counts(g.store, &counts);
	assert_in_range(counts.n_discards, 2, 3);
	expect_bytes(first, 80, 0);
	expect_bytes(4090, 12, 0);
	expect_bytes(end - 20, 20, 0);
	rig_start(&g);
	rig_expect(&g, 0, first * RIG_BLOCK);
	rig_expect(&g, end * RIG_BLOCK, 4 * RIG_BLOCK);
	expect_bytes(first, 3, 0);
	expect_bytes(end - 3, 3, 0);
}

static void refusals(void **state _unused_)
{
	assert_int_equal(writepath_write(g.wp, 512, mine, RIG_BLOCK), -EINVAL);
	assert_int_equal(writepath_write(g.wp, 0, mine, 0), -EINVAL);
	assert_int_equal(writepath_write(g.wp, 0, mine, 512), -EINVAL);
	assert_int_equal(writepath_write(g.wp, 0, mine, READ_BYTES_MAX + RIG_BLOCK),
			 -EINVAL);
	assert_int_equal(writepath_discard(g.wp, 0, 100), -EINVAL);
	assert_int_equal(writepath_discard(g.wp, 100, RIG_BLOCK), -EINVAL);
	assert_int_equal(writepath_discard(g.wp, RIG_BLOCK, UINT64_MAX - 4095), -EINVAL);
	assert_int_equal(writepath_discard(g.wp, RIG_BLOCK, 0), 0);
	assert_int_equal(chunkmap_state(g.cm, 0), CHUNK_ABSENT);
}

/* What failed is not valid: it comes from the image as if nobody had written. */
static void the_store_fails(void **state _unused_)
{
	store_fault_fail_writes(g.store, 0, 2, -ENOSPC);
	assert_int_equal(writepath_write(g.wp, 0, mine, RIG_CHUNK), -ENOSPC);
	assert_int_equal(writepath_discard(g.wp, RIG_CHUNK, 200 * RIG_CHUNK), -ENOSPC);
	assert_int_equal(chunkmap_state(g.cm, 0), CHUNK_ABSENT);
	assert_int_equal(chunkmap_state(g.cm, 1), CHUNK_ABSENT);
	rig_start(&g);
	rig_expect(&g, 0, 2 * RIG_CHUNK);
}

/* While a worker takes its time to store the chunk: the write is not lost under it. */
static void written_while_it_is_stored(void **state _unused_)
{
	struct rig_reply r;

	/* Apart, or they would be fetched ahead. */
	for (uint64_t ci = 0; ci < 12 * 16; ci += 16) {
		struct store_fault_counts counts, before;

		store_fault_counts(g.store, &before);
		store_fault_set_delay(g.store, 4000);
		rig_reply_init(&r, NULL);
		readpath_read(g.rp, &r, ci * RIG_CHUNK, RIG_BLOCK);
		if (ci == 0)
			rig_start(&g);
		if (ci / 16 % 2)
			RIG_UNTIL((store_fault_counts(g.store, &counts),
				   counts.n_writes > before.n_writes));
		assert_int_equal(writepath_write(g.wp, ci * RIG_CHUNK + 4 * RIG_BLOCK,
						 mine, 3 * RIG_BLOCK),
				 0);
		store_fault_set_delay(g.store, 0);
		assert_int_equal(rig_reply_wait(&r), 0);
		RIG_UNTIL(chunkmap_state(g.cm, ci) == CHUNK_READY);
		expect_bytes(ci * RIG_BLOCKS_PER_CHUNK + 4, 3, 0x77);
		rig_expect(&g, ci * RIG_CHUNK, 4 * RIG_BLOCK);
		rig_expect(&g, ci * RIG_CHUNK + 7 * RIG_BLOCK, 9 * RIG_BLOCK);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(written_before_it_was_there),
		T(whole_chunks_need_no_fetch),
		T(a_large_discard),
		T(refusals),
		T(the_store_fails),
		T(written_while_it_is_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
