// SPDX-License-Identifier: Apache-2.0
/* sequential_test.c - a running engine ahead of sequential readers, and out of the way of others */
#include "tests/unit/rig.h"

#define PIECE (128u * 1024)
#define CHUNKS_PER_PIECE (PIECE / RIG_CHUNK)

static bool is_stored_once(struct rig *g)
{
	struct store_fault_counts stored;
	struct chunkmap_counts counts;

	store_fault_counts(g->store, &stored);
	chunkmap_counts(g->cm, &counts);
	return counts.moving_bytes == 0 && stored.n_writes == counts.n_ready;
}

/*
 * Never fetch a chunk twice: as many stored as are there.  What the source has answered is still on
 * its way for a moment; one too many would stay one too many.
 */
static void expect_once(struct rig *g)
{
	RIG_UNTIL(rig_requests(g).n_outstanding == 0 && is_stored_once(g));
}

/*
 * All that was asked for ahead of a reader of the first n_chunks has come: as far again as was
 * read.  It is fetched piece by piece, so that nothing is outstanding between two of them, too.
 */
static void until_ahead_of(struct rig *g, uint64_t n_chunks)
{
	RIG_UNTIL(chunkmap_state(g->cm, 2 * n_chunks - 1) == CHUNK_READY);
	RIG_UNTIL(rig_requests(g).n_outstanding == 0);
}

static bool is_asked_for(struct rig *g, uint64_t ci)
{
	for (uint64_t end_ci = ci + CHUNKS_PER_PIECE; ci < end_ci; ci++)
		if (chunkmap_state(g->cm, ci) == CHUNK_ABSENT)
			return false;
	return true;
}

/*
 * Reads chunks [ci, end_ci), piece by piece, and leaves the engine a moment to ask for what it
 * wants ahead: where other programs keep the engine from the processor, the reader would overtake
 * it and be counted as one that had to wait.
 */
static void read_in_order(struct rig *g, uint64_t ci, uint64_t end_ci)
{
	for (; ci < end_ci; ci += CHUNKS_PER_PIECE) {
		for (unsigned ms = 0; ms < 200 && !is_asked_for(g, ci); ms++)
			usleep(1000);
		rig_expect(g, ci * RIG_CHUNK, PIECE);
	}
}

static struct readpath_stats stats(struct rig *g)
{
	struct readpath_stats s;

	readpath_stats(g->rp, &s);
	return s;
}

/*
 * Each request takes long; with nothing ahead each of the 80 reads would wait.  How large they
 * become depends on what the line seems to carry, but the smallest have two chunks.
 */
static void a_sequential_reader_waits_seldom(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 321, .no_fill = true};
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_delay(g.source, 10);
	rig_start(&g);
	read_in_order(&g, 0, 320);
	assert_in_range(rig_requests(&g).n_class[SOURCE_DEMAND], 1, 10);
	assert_in_range(rig_requests(&g).n_requests, 2, 170);
	assert_int_equal(stats(&g).n_reads, 320 / CHUNKS_PER_PIECE);
	assert_true(rig_stats(&g).ahead_bytes > 0);
	expect_once(&g);
	rig_fini(&g);
}

/* A reader that stops has cost as many bytes again at most, and a chunk. */
static void a_reader_that_stops(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 400, .no_fill = true};
	struct chunkmap_counts counts;
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	for (uint64_t off = 0; off < 100 * RIG_CHUNK; off += PIECE)
		rig_expect(&g, off, PIECE);
	until_ahead_of(&g, 100);
	expect_once(&g);
	chunkmap_counts(g.cm, &counts);
	assert_in_range(counts.n_ready, 200, 201);
	rig_fini(&g);
}

static void random_reads_do_not_widen(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 400, .no_fill = true};
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	for (uint64_t i = 0; i < 150; i++)
		rig_expect(&g, i * 7919 % 400 * RIG_CHUNK % (399 * RIG_CHUNK), RIG_BLOCK);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_AHEAD], 0);
	expect_once(&g);
	rig_fini(&g);
}

/* While as much is fetched ahead as may be, a read elsewhere is asked for at once. */
static void demand_always_has_room(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 400, .no_fill = true};
	struct rig_reply r;
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	for (uint64_t off = 0; off < 40 * RIG_CHUNK; off += PIECE)
		rig_expect(&g, off, PIECE);
	until_ahead_of(&g, 40);
	source_fault_set_delay(g.source, 100000);
	/* These are there already: they only move the window. */
	for (uint64_t off = 40 * RIG_CHUNK; off < 60 * RIG_CHUNK; off += PIECE)
		rig_expect(&g, off, PIECE);
	RIG_UNTIL(rig_requests(&g).n_outstanding >= 1);
	assert_in_range(rig_requests(&g).n_outstanding, 1, 2);
	source_fault_set_delay(g.source, 0);
	rig_reply_init(&r, NULL);
	readpath_read(g.rp, &r, 399 * RIG_CHUNK, RIG_BLOCK);
	assert_int_equal(rig_reply_wait(&r), 0);
	rig_fini(&g);
}

/*
 * The reader comes to what is on its way: it waits for that, as for demand, and nothing
 * is asked for twice.
 */
static void the_reader_catches_up(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 400, .no_fill = true};
	struct rig_reply r;
	uint64_t n_demand;
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	for (uint64_t off = 0; off < 40 * RIG_CHUNK; off += PIECE)
		rig_expect(&g, off, PIECE);
	until_ahead_of(&g, 40);
	source_fault_set_delay(g.source, 100000);
	rig_expect(&g, 40 * RIG_CHUNK, PIECE);
	RIG_UNTIL(rig_requests(&g).n_outstanding >= 1);
	assert_int_equal(atomic_load(&g.n_promoted), 0);
	n_demand = rig_requests(&g).n_class[SOURCE_DEMAND];
	rig_reply_init(&r, NULL);
	readpath_read(g.rp, &r, 80 * RIG_CHUNK, RIG_BLOCK);
	RIG_UNTIL(atomic_load(&g.n_promoted) == 1);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], n_demand);
	assert_false(rig_is_replied(&r));
	rig_fini(&g);
	assert_int_equal(rig_reply_wait(&r), -EIO);
}

static bool every_second(uint64_t ci)
{
	return ci % 2;
}

static void through_zero_chunks(void **state _unused_)
{
	const struct rig_options o = {
		.n_chunks = 1400,
		.no_fill = true,
		.is_zero = every_second,
		.forget_pages = true,
	};
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_delay(g.source, 2);
	rig_start(&g);
	/* Over the border of two index pages, which is fetched ahead too. */
	read_in_order(&g, 800, 1200);
	assert_in_range(rig_requests(&g).n_class[SOURCE_DEMAND], 1, 20);
	rig_fini(&g);
}

/*
 * Holes between demanded chunks come along only where a request is known to cost more:
 * fetch_test.c.
 */
static void holes_stay(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 40, .no_fill = true};
	struct rig_reply r[3];
	struct rig g;

	rig_init(&g, &o);
	for (unsigned i = 0; i < 3; i++) {
		rig_reply_init(&r[i], NULL);
		readpath_read(g.rp, &r[i], (10 + 2 * i) * RIG_CHUNK, RIG_BLOCK);
	}
	rig_start(&g);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_reply_wait(&r[i]), 0);
	/* Nothing is known of the line yet. */
	assert_int_equal(rig_requests(&g).n_requests, 3);
	assert_int_equal(chunkmap_state(g.cm, 11), CHUNK_ABSENT);
	rig_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sequential_reader_waits_seldom),
		cmocka_unit_test(a_reader_that_stops),
		cmocka_unit_test(random_reads_do_not_widen),
		cmocka_unit_test(demand_always_has_room),
		cmocka_unit_test(the_reader_catches_up),
		cmocka_unit_test(through_zero_chunks),
		cmocka_unit_test(holes_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
