// SPDX-License-Identifier: Apache-2.0
/* hot_test.c - the engine brings the hot pack first, and nothing that is wrong with it harms */
#include "tests/unit/rig.h"

#include <inttypes.h>

#include "engine/fetch.h"

#define N 40u

/* Chunks 30, 3, 17 (whole), 3 again, and the end of the image. */
static struct testimage_hot runs[] = {
	{30 * 16 + 2, 5, false}, {3 * 16, 2, false},	   {17 * 16, 16, false},
	{3 * 16 + 9, 4, false},	 {(N - 1) * 16, 3, false},
};

static struct rig_options hot_options(bool no_fill)
{
	return (struct rig_options){
		.n_chunks = N,
		.no_fill = no_fill,
		.hot = runs,
		.n_hot = ARRAY_SIZE(runs),
	};
}

static void expect_hot_blocks(struct rig *g)
{
	for (unsigned i = 0; i < ARRAY_SIZE(runs); i++)
		rig_expect(g, runs[i].block * RIG_BLOCK, runs[i].n * RIG_BLOCK);
}

static uint64_t frames_bytes(const struct rig *g)
{
	return g->image.info->hot_bytes - g->image.info->hot_table_bytes;
}

static bool hot_is_there(struct rig *g)
{
	for (unsigned i = 0; i < ARRAY_SIZE(runs); i++)
		if (!chunkmap_is_valid(g->cm, runs[i].block * RIG_BLOCK,
				       runs[i].n * RIG_BLOCK))
			return false;
	return true;
}

static void read_without_demand(void **state _unused_)
{
	const struct rig_options o = hot_options(true);
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	RIG_UNTIL(hot_is_there(&g));
	expect_hot_blocks(&g);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_HOT], 1);
	RIG_UNTIL(rig_stats(&g).hot_bytes == frames_bytes(&g));
	assert_int_equal(chunkmap_state(g.cm, 17), CHUNK_PARTIAL);
	/* A block beside them is fetched as ever. */
	rig_expect(&g, 30 * RIG_CHUNK, RIG_BLOCK);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 1);
	rig_fini(&g);
}

static void table_beyond_the_first_bytes(void **state _unused_)
{
	struct rig_options o = hot_options(true);
	struct rig g;

	o.forget_pages = true;
	rig_init(&g, &o);
	rig_start(&g);
	RIG_UNTIL(hot_is_there(&g));
	assert_int_equal(rig_requests(&g).n_class[SOURCE_HOT], 2);
	RIG_UNTIL(rig_stats(&g).hot_bytes == g.image.info->hot_bytes);
	rig_fini(&g);
}

/* A read of what is on its way waits for the pack, which is then treated as demand. */
static void a_promise_is_waited_for(void **state _unused_)
{
	const struct rig_options o = hot_options(true);
	struct rig_reply r;
	uint8_t got[RIG_BLOCK], want[RIG_BLOCK];
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_delay(g.source, 100);
	rig_start(&g);
	RIG_UNTIL(rig_requests(&g).n_class[SOURCE_HOT] == 1);
	usleep(10000);
	rig_reply_init(&r, got);
	readpath_read(g.rp, &r, 17 * RIG_CHUNK, RIG_BLOCK);
	assert_int_equal(rig_reply_wait(&r), 0);
	testimage_read(&g.image, 17 * RIG_CHUNK, want, RIG_BLOCK);
	assert_memory_equal(got, want, RIG_BLOCK);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	assert_int_equal(atomic_load(&g.n_promoted), 1);
	rig_fini(&g);
}

/* The pack first, then the fill, and what the pack brought is not stored again. */
static void everything_arrives(void **state _unused_)
{
	const struct rig_options o = hot_options(false);
	struct store_fault_counts stored;
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_step(g.source, 3000);
	rig_start(&g);
	rig_expect_complete(&g);
	store_fault_counts(g.store, &stored);
	assert_int_equal(stored.written_bytes, g.image.info->image_bytes);
	rig_fini(&g);
}

static void written_blocks_stay(void **state _unused_)
{
	const struct rig_options o = hot_options(false);
	static uint8_t mine[4 * RIG_BLOCK], got[4 * RIG_BLOCK];
	struct rig g;

	memset(mine, 0xa7, sizeof mine);
	rig_init(&g, &o);
	/* Before the pack, and over it. */
	assert_int_equal(writepath_write(g.wp, 17 * RIG_CHUNK, mine, 2 * RIG_BLOCK), 0);
	engine_pause(g.engine, true);
	rig_start(&g);
	RIG_UNTIL(hot_is_there(&g));
	assert_int_equal(writepath_write(g.wp, 17 * RIG_CHUNK + 2 * RIG_BLOCK, mine,
					 2 * RIG_BLOCK),
			 0);
	engine_pause(g.engine, false);
	RIG_UNTIL(chunkmap_is_complete(g.cm));
	assert_int_equal(rig_read(&g, 17 * RIG_CHUNK, got, sizeof got), 0);
	assert_memory_equal(got, mine, sizeof got);
	rig_expect(&g, 17 * RIG_CHUNK + 4 * RIG_BLOCK, 12 * RIG_BLOCK);
	rig_fini(&g);
}

/* A pack that was made wrong, under a good digest: the image's chunk wins. */
static bool chunk_30_is_zero(uint64_t ci)
{
	return ci == 30;
}

static void the_chunk_wins(void **state _unused_)
{
	struct testimage_hot spoilt[] = {{30 * 16 + 2, 5, true}, {3 * 16, 2, false}};
	struct rig_options o = {
		.n_chunks = N,
		.no_fill = true,
		.hot = spoilt,
		.n_hot = 2,
	};
	uint8_t got[RIG_BLOCK], want[RIG_BLOCK];
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	RIG_UNTIL(chunkmap_is_valid(g.cm, (30 * 16 + 2) * RIG_BLOCK, RIG_BLOCK));
	assert_int_equal(rig_read(&g, (30 * 16 + 2) * RIG_BLOCK, got, RIG_BLOCK), 0);
	testimage_read(&g.image, (30 * 16 + 2) * RIG_BLOCK, want, RIG_BLOCK);
	assert_memory_not_equal(got, want, RIG_BLOCK);
	rig_expect(&g, 30 * RIG_CHUNK, RIG_BLOCK);
	rig_expect(&g, 30 * RIG_CHUNK, RIG_CHUNK);
	rig_fini(&g);
	/* The same where the image has zeros. */
	o.is_zero = chunk_30_is_zero;
	o.no_fill = false;
	o.forget_pages = true;
	rig_init(&g, &o);
	rig_start(&g);
	rig_expect_complete(&g);
	rig_fini(&g);
}

/* Every byte of it wrong in turn: everything arrives all the same. */
static void damaged(void **state _unused_)
{
	const struct rig_options o = hot_options(false);
	struct rig g;

	rig_init(&g, &o);
	uint64_t hot_off = g.image.info->hot_off, n_bytes = g.image.info->hot_bytes;
	rig_fini(&g);
	for (uint64_t at = 0; at < n_bytes; at += n_bytes / 23) {
		struct rig_options again = hot_options(false);

		again.forget_pages = at % 2;
		rig_init(&g, &again);
		source_fault_corrupt(g.source, hot_off + at, UINT_MAX);
		rig_start(&g);
		rig_expect(&g, 17 * RIG_CHUNK, RIG_CHUNK);
		rig_expect_complete(&g);
		/* An error of the server, but not of a chunk; a table may be in the first bytes. */
		assert_int_equal(rig_requests(&g).n_rejects,
				 at >= g.image.info->hot_table_bytes ||
					 again.forget_pages);
		assert_int_equal(rig_stats(&g).n_rejected, 0);
		rig_fini(&g);
	}
}

/* The only server has it wrong: what and where is its error, and why the pack is given up. */
static void the_only_server_has_it_wrong(void **state _unused_)
{
	for (unsigned is_table = 0; is_table < 2; is_table++) {
		struct rig_options o = hot_options(false);
		char what[160], log[200];
		uint64_t off;
		struct rig g;

		o.forget_pages = is_table;
		rig_init(&g, &o);
		off = g.image.info->hot_off +
		      (is_table ? 0 : g.image.info->hot_table_bytes);
		source_fault_corrupt(g.source, off + 30, UINT_MAX);
		rig_start(&g);
		rig_expect_complete(&g);
		snprintf(what, sizeof what,
			 "%s of the hot pack at offset %" PRIu64 ": wrong SHA-256",
			 is_table ? "table" : "frame 0", off);
		assert_int_equal(rig_requests(&g).n_rejects, 1);
		assert_int_equal(rig_requests(&g).last_reject_off, off);
		assert_string_equal(rig_requests(&g).last_reject_what, what);
		snprintf(log, sizeof log,
			 "hot pack: not used any further: %s at offset %" PRIu64
			 ": wrong SHA-256\n",
			 is_table ? "table" : "frame 0", off);
		rig_expect_log(log);
		rig_fini(&g);
	}
}

/* Frame and table wrong on one server: the other has them right, and nothing is given up. */
static void the_other_server_has_it(void **state _unused_)
{
	for (unsigned is_table = 0; is_table < 2; is_table++) {
		struct rig_options o = hot_options(true);
		struct rig g;

		o.n_servers = 2;
		o.forget_pages = is_table;
		rig_init(&g, &o);
		source_fault_corrupt(
			g.source,
			g.image.info->hot_off +
				(is_table ? 90 : g.image.info->hot_bytes - 100),
			UINT_MAX);
		rig_start(&g);
		RIG_UNTIL(hot_is_there(&g));
		expect_hot_blocks(&g);
		assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
		assert_int_equal(rig_requests(&g).n_rejects, 1);
		rig_fini(&g);
	}
}

/* A read that waits for it meanwhile is answered by it. */
static void waited_for_from_the_other_server(void **state _unused_)
{
	struct rig_options o = hot_options(true);
	struct rig_reply r;
	struct rig g;

	o.n_servers = 2;
	rig_init(&g, &o);
	source_fault_corrupt(g.source,
			     g.image.info->hot_off + g.image.info->hot_bytes - 100,
			     UINT_MAX);
	source_fault_set_delay(g.source, 50);
	rig_start(&g);
	RIG_UNTIL(rig_requests(&g).n_class[SOURCE_HOT] == 1);
	usleep(10000);
	rig_reply_init(&r, NULL);
	readpath_read(g.rp, &r, 17 * RIG_CHUNK, RIG_BLOCK);
	assert_int_equal(rig_reply_wait(&r), 0);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	rig_fini(&g);
}

static void the_store_refuses_it(void **state _unused_)
{
	const struct rig_options o = hot_options(false);
	struct rig g;

	rig_init(&g, &o);
	store_fault_fail_writes(g.store, 1, 1, -ENOSPC);
	rig_start(&g);
	rig_expect(&g, 17 * RIG_CHUNK, RIG_CHUNK);
	rig_expect_complete(&g);
	rig_fini(&g);
}

static void stopped_in_the_middle(void **state _unused_)
{
	const struct rig_options o = hot_options(false);
	struct rig g;

	for (unsigned i = 0; i < 10; i++) {
		rig_init(&g, &o);
		source_fault_set_step(g.source, 1000);
		rig_start(&g);
		usleep(i * 300);
		rig_fini(&g);
	}
}

/* Requests start small and double; none is larger than a frame or the limit. */
static void ramp(void **state _unused_)
{
	const struct rig_options o = hot_options(true);
	struct img_hot_frame frames[100];
	struct img_hot table = {.n_frames = 100, .frames = frames};
	struct hot_range range;
	uint32_t before = 0;
	struct hot h;
	struct rig g;

	rig_init(&g, &o);
	hot_init(&h, &g.config);
	assert_int_equal(h.state, HOT_TABLE);
	for (unsigned i = 0; i < 100; i++)
		frames[i] = (struct img_hot_frame){.hot_off = i * 60000ull,
						   .stored_bytes = 60000,
						   .raw_bytes = 262144};
	h.table = &table;
	h.state = HOT_FRAMES;
	for (unsigned n = 0; h.state == HOT_FRAMES; n++) {
		range = hot_next(&h, 0, 64);
		assert_in_range(range.n_bytes, 1, HOT_REQUEST_BYTES_MAX);
		assert_int_equal(range.n_bytes, range.n * 60000);
		assert_true(n >= 3 || range.n_bytes > before);
		before = range.n_bytes;
		/* A slow line keeps them short. */
		assert_true(hot_next(&h, 100000, 64).n_bytes <= HOT_REQUEST_BYTES_MIN);
		hot_sent(&h, &range);
	}
	assert_int_equal(h.next_frame, 100);
	h.table = NULL;
	hot_fini(&h);
	rig_fini(&g);
}

/* A pack that is larger than the cache takes what room there is, and makes none. */
static void larger_than_the_cache(void **state _unused_)
{
	static const struct testimage_hot large[] = {{0, (N - 1) * 16, false}};
	const struct rig_options o = {
		.n_chunks = N,
		.no_fill = true,
		.hot = large,
		.n_hot = 1,
		.cache_bytes = 2304 * 1024,
	};
	struct cache_stats stats;
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	do
		cache_stats(g.cache, &stats);
	while (stats.used_bytes <= stats.budget_bytes / 2);
	/* The end of the pack is waited for in vain, and fetched then. */
	rig_expect(&g, (N - 2) * RIG_CHUNK, RIG_CHUNK);
	cache_stats(g.cache, &stats);
	assert_int_equal(stats.evicted_chunks, 0);
	rig_expect(&g, 0, RIG_BLOCK);
	assert_true(rig_requests(&g).n_class[SOURCE_DEMAND] > 0);
	for (unsigned ci = 0; ci < N; ci++)
		rig_expect(&g, ci * RIG_CHUNK, RIG_BLOCK);
	cache_stats(g.cache, &stats);
	assert_true(stats.used_bytes <= stats.budget_bytes);
	rig_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_without_demand),
		cmocka_unit_test(table_beyond_the_first_bytes),
		cmocka_unit_test(a_promise_is_waited_for),
		cmocka_unit_test(everything_arrives),
		cmocka_unit_test(written_blocks_stay),
		cmocka_unit_test(the_chunk_wins),
		cmocka_unit_test(damaged),
		cmocka_unit_test(the_only_server_has_it_wrong),
		cmocka_unit_test(the_other_server_has_it),
		cmocka_unit_test(waited_for_from_the_other_server),
		cmocka_unit_test(the_store_refuses_it),
		cmocka_unit_test(stopped_in_the_middle),
		cmocka_unit_test(larger_than_the_cache),
		cmocka_unit_test(ramp),
	};

	rig_keep_log();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
