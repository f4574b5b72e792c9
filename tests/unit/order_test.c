// SPDX-License-Identifier: Apache-2.0
/* order_test.c - mode full: from the front of the file to its back, index first, failures behind */
#include "tests/unit/rig.h"

#define N 40u
#define N_PAGED (2 * IMG_PAGE_ENTRIES + 100)

static bool most(uint64_t ci)
{
	return ci % 37 != 0;
}

static bool most_of_the_first(uint64_t ci)
{
	return ci < IMG_PAGE_ENTRIES ? ci % 37 != 0 : ci % 50 != 0;
}

static void expect_only_fill(struct rig *g)
{
	const struct source_fault_counts counts = rig_requests(g);

	assert_int_equal(counts.n_class[SOURCE_DEMAND], 0);
	assert_int_equal(counts.n_class[SOURCE_HOT], 0);
	assert_int_equal(counts.n_class[SOURCE_AHEAD], 0);
}

static void front_to_back(void **state _unused_)
{
	static const struct testimage_hot hot[] = {
		{.block = 37 * RIG_BLOCKS_PER_CHUNK, .n = 4}};

	for (unsigned connections = 1; connections <= 4; connections += 3) {
		const struct rig_options o = {
			.n_chunks = N_PAGED,
			.is_zero = connections == 1 ? most : most_of_the_first,
			.in_order = true,
			.forget_pages = true,
			.hot = hot,
			.n_hot = 1,
		};
		struct rig g;

		rig_init(&g, &o);
		source_fault_set_connections(g.source, connections);
		rig_start(&g);
		RIG_UNTIL(atomic_load(&g.n_complete));
		assert_int_equal(rig_requests(&g).n_backwards, 0);
		expect_only_fill(&g);
		/* Reads of what is there make nothing ahead. */
		rig_expect(&g, 37 * RIG_CHUNK, RIG_CHUNK);
		rig_expect(&g, (N_PAGED - 1) * RIG_CHUNK, RIG_BLOCK);
		expect_only_fill(&g);
		rig_fini(&g);
	}
}

/* The index is not asked for again, however many pages there are. */
static void the_index_is_kept(void **state _unused_)
{
	const struct rig_options o = {
		.n_chunks = 40 * IMG_PAGE_ENTRIES,
		.is_zero = most,
		.in_order = true,
		.forget_pages = true,
	};
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	RIG_UNTIL(atomic_load(&g.n_complete));
	assert_int_equal(rig_requests(&g).n_backwards, 0);
	assert_true(rig_requests(&g).n_bytes < g.image.n_bytes);
	rig_fini(&g);
}

static void wrong_once(unsigned n_servers, unsigned n_times)
{
	const struct rig_options o = {
		.n_chunks = N,
		.n_servers = n_servers,
		.in_order = true,
	};
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_connections(g.source, 1);
	source_fault_corrupt(g.source, testimage_chunk(&g.image, 6).src_off + 99,
			     n_times);
	rig_start(&g);
	rig_expect_complete(&g);
	/* One more pass, for this chunk only. */
	assert_int_equal(rig_requests(&g).n_backwards, 1);
	assert_int_equal(rig_requests(&g).last.src_off,
			 testimage_chunk(&g.image, 6).src_off);
	assert_int_equal(rig_requests(&g).last.n_bytes,
			 testimage_chunk(&g.image, 6).stored_bytes);
	assert_int_equal(rig_requests(&g).n_rejects, 1);
	expect_only_fill(&g);
	RIG_UNTIL(rig_stats(&g).error[0] == '\0');
	rig_fini(&g);
}

static void wrong_bytes_come_behind(void **state _unused_)
{
	wrong_once(1, 1);
}

static void wrong_bytes_come_from_another(void **state _unused_)
{
	wrong_once(2, UINT_MAX);
}

/* What could not be stored comes with the next pass. */
static void a_store_that_fails_for_a_while(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .in_order = true};
	struct rig g;

	rig_init(&g, &o);
	store_fault_fail_writes(g.store, 1, 2, -ENOSPC);
	rig_start(&g);
	rig_expect_complete(&g);
	expect_only_fill(&g);
	rig_fini(&g);
}

/* From full to on demand while a chunk that failed waits for the next pass. */
static void failed_chunk_is_demanded(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .in_order = true};
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_connections(g.source, 1);
	source_fault_corrupt(g.source, testimage_chunk(&g.image, 6).src_off + 99, 1);
	rig_start(&g);
	RIG_UNTIL(rig_stats(&g).n_rejected == 1);
	engine_set_fill(g.engine, false);
	rig_expect(&g, 6 * RIG_CHUNK, RIG_CHUNK);
	engine_set_fill(g.engine, true);
	rig_expect_complete(&g);
	rig_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(front_to_back),
		cmocka_unit_test(the_index_is_kept),
		cmocka_unit_test(wrong_bytes_come_behind),
		cmocka_unit_test(wrong_bytes_come_from_another),
		cmocka_unit_test(a_store_that_fails_for_a_while),
		cmocka_unit_test(failed_chunk_is_demanded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
