// SPDX-License-Identifier: Apache-2.0
/* engine_test.c - a running engine brings every chunk, what is waited for first, and each once */
#include "tests/unit/rig.h"

#define N 40u

static bool every_fifth(uint64_t ci)
{
	return ci % 5 == 0;
}

static void everything_arrives_once(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .is_zero = every_fifth};
	struct store_fault_counts stored;
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	rig_expect_complete(&g);
	store_fault_counts(g.store, &stored);
	/* Zero chunks are not stored, and the others only once. */
	assert_int_equal(stored.n_writes, N - N / 5);
	assert_int_equal(stored.written_bytes,
			 (N - N / 5 - 1) * RIG_CHUNK + 3 * RIG_BLOCK);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	assert_int_equal(rig_stats(&g).n_rejected, 0);
	assert_string_equal(rig_stats(&g).error, "");
	rig_fini(&g);
}

static void demand_comes_before_the_fill(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N};
	struct rig_reply r[3];
	uint8_t buf[3][RIG_BLOCK], want[RIG_BLOCK];
	struct rig g;

	rig_init(&g, &o);
	source_fault_hold(g.source, true);
	rig_start(&g);
	for (unsigned i = 0; i < 3; i++) {
		rig_reply_init(&r[i], buf[i]);
		readpath_read(g.rp, &r[i], (30 - i * 10) * RIG_CHUNK, RIG_BLOCK);
	}
	RIG_UNTIL(rig_requests(&g).n_class[SOURCE_DEMAND] == 3);
	usleep(20000);
	/* An outage: they wait, and nothing was asked for that nobody waits for. */
	assert_int_equal(rig_requests(&g).n_class[SOURCE_FILL], 0);
	for (unsigned i = 0; i < 3; i++)
		assert_false(rig_is_replied(&r[i]));
	source_fault_hold(g.source, false);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig_reply_wait(&r[i]), 0);
		testimage_read(&g.image, (30 - i * 10) * RIG_CHUNK, want, RIG_BLOCK);
		assert_memory_equal(buf[i], want, RIG_BLOCK);
	}
	rig_expect_complete(&g);
	RIG_UNTIL(rig_stats(&g).demand_chunks == 3);
	rig_fini(&g);
}

static void many_readers_one_fetch(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .no_fill = true};
	static uint8_t buf[30][RIG_BLOCK];
	struct rig_reply r[30];
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_delay(g.source, 20);
	rig_start(&g);
	for (unsigned i = 0; i < 30; i++) {
		rig_reply_init(&r[i], buf[i]);
		readpath_read(g.rp, &r[i], 7 * RIG_CHUNK + i % 16 * RIG_BLOCK, RIG_BLOCK);
	}
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(rig_reply_wait(&r[i]), 0);
	assert_int_equal(rig_requests(&g).n_requests, 1);
	rig_fini(&g);
}

static void neighbours_are_one_request(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .no_fill = true};
	struct rig_reply r;
	uint8_t *buf = malloc(READ_BYTES_MAX);
	struct rig g;

	rig_init(&g, &o);
	rig_reply_init(&r, buf);
	readpath_read(g.rp, &r, 10 * RIG_CHUNK + 5 * RIG_BLOCK, READ_BYTES_MAX);
	rig_start(&g);
	assert_int_equal(rig_reply_wait(&r), 0);
	/* 17 chunks */
	assert_int_equal(rig_requests(&g).n_requests, 1);
	assert_int_equal(rig_requests(&g).last.src_off,
			 testimage_chunk(&g.image, 10).src_off);
	rig_expect(&g, 10 * RIG_CHUNK + 5 * RIG_BLOCK, READ_BYTES_MAX);
	rig_fini(&g);
	free(buf);
}

static void bytes_come_in_drops(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .is_zero = every_fifth};
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_step(g.source, 1777);
	source_fault_set_reverse(g.source, true);
	rig_start(&g);
	rig_expect(&g, 33 * RIG_CHUNK, 2 * RIG_CHUNK);
	rig_expect_complete(&g);
	rig_fini(&g);
}

static void outages_come_and_go(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N};
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_step(g.source, 5000);
	rig_start(&g);
	for (unsigned i = 0; i < 15; i++) {
		source_fault_hold(g.source, i % 2 == 0);
		usleep(3000);
	}
	source_fault_hold(g.source, false);
	rig_expect_complete(&g);
	rig_fini(&g);
}

/* Wrong bytes are neither stored nor served; the other server has the right ones. */
static void a_liar_among_two(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .n_servers = 2};
	struct store_fault_counts stored;
	struct rig g;

	rig_init(&g, &o);
	source_fault_corrupt(g.source, testimage_chunk(&g.image, 6).src_off + 99,
			     UINT_MAX);
	rig_start(&g);
	rig_expect(&g, 6 * RIG_CHUNK, RIG_CHUNK);
	rig_expect_complete(&g);
	store_fault_counts(g.store, &stored);
	assert_int_equal(stored.n_writes, N);
	assert_int_equal(rig_requests(&g).n_rejects, 1);
	assert_int_equal(rig_requests(&g).last_reject_server, 0);
	RIG_UNTIL(rig_stats(&g).n_rejected == 1 && rig_stats(&g).error[0] == '\0');
	rig_fini(&g);
}

static void pause_and_resume(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N};
	struct rig g;

	rig_init(&g, &o);
	engine_pause(g.engine, true);
	rig_start(&g);
	usleep(30000);
	assert_int_equal(rig_requests(&g).n_requests, 0);
	assert_true(rig_stats(&g).is_paused);
	rig_expect(&g, 0, RIG_BLOCK);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_FILL], 0);
	engine_pause(g.engine, false);
	rig_expect_complete(&g);
	assert_false(rig_stats(&g).is_paused);
	rig_fini(&g);
}

/* While paused, and while no server answers: writes alone can complete the image. */
static void completed_by_writes(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 3};
	static uint8_t buf[2 * RIG_CHUNK + 3 * RIG_BLOCK];
	struct rig g;

	rig_init(&g, &o);
	engine_pause(g.engine, true);
	source_fault_hold(g.source, true);
	rig_start(&g);
	usleep(20000);
	assert_int_equal(writepath_write(g.wp, 0, buf, sizeof buf), 0);
	RIG_UNTIL(atomic_load(&g.n_complete));
	rig_fini(&g);
}

static void the_fill_keeps_its_rate(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .rate_bytes = 40000};
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	RIG_UNTIL(rig_requests(&g).n_class[SOURCE_FILL] == 1);
	usleep(150000);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_FILL], 1);
	/* Demand is not held back. */
	rig_expect(&g, 39 * RIG_CHUNK, RIG_BLOCK);
	rig_expect(&g, 30 * RIG_CHUNK, RIG_CHUNK);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_FILL], 1);
	rig_fini(&g);
}

static void the_rate_can_change(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .rate_bytes = 1};
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	RIG_UNTIL(rig_requests(&g).n_class[SOURCE_FILL] == 1);
	usleep(50000);
	assert_false(chunkmap_is_complete(g.cm));
	engine_set_rate(g.engine, 0);
	rig_expect_complete(&g);
	rig_fini(&g);
}

static void a_fill_that_is_waited_for_is_promoted(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N};
	struct rig g;

	rig_init(&g, &o);
	source_fault_set_delay(g.source, 300);
	rig_start(&g);
	RIG_UNTIL(rig_requests(&g).n_class[SOURCE_FILL] >= 1);
	assert_int_equal(atomic_load(&g.n_promoted), 0);
	rig_expect(&g, 3 * RIG_CHUNK, RIG_CHUNK);
	assert_int_equal(atomic_load(&g.n_promoted), 1);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_DEMAND], 0);
	rig_fini(&g);
}

/* Without a fill nothing is fetched that nobody asks for, and nothing is ever complete. */
static void the_fill_is_turned_on_and_off(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .no_fill = true};
	struct rig g;

	rig_init(&g, &o);
	rig_start(&g);
	for (unsigned i = 0; i < N; i++)
		rig_expect(&g, i * RIG_CHUNK, RIG_BLOCK);
	assert_true(chunkmap_is_complete(g.cm));
	usleep(20000);
	assert_int_equal(atomic_load(&g.n_complete), 0);
	assert_int_equal(rig_requests(&g).n_class[SOURCE_FILL], 0);
	engine_set_fill(g.engine, true);
	rig_expect_complete(&g);
	/* Off and on again: it says so again. */
	engine_set_fill(g.engine, false);
	engine_set_fill(g.engine, true);
	RIG_UNTIL(atomic_load(&g.n_complete) == 2);
	rig_fini(&g);
}

static void stopped_in_the_middle(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N};
	struct rig_reply r;
	struct rig g;

	for (unsigned i = 0; i < 10; i++) {
		rig_init(&g, &o);
		source_fault_set_step(g.source, 3000);
		rig_start(&g);
		rig_reply_init(&r, NULL);
		readpath_read(g.rp, &r, 35 * RIG_CHUNK, RIG_BLOCK);
		usleep(i * 300);
		engine_stop(g.engine);
		engine_stop(g.engine);
		rig_fini(&g);
		assert_true(rig_reply_wait(&r) == 0 || r.err == -EIO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_arrives_once),
		cmocka_unit_test(demand_comes_before_the_fill),
		cmocka_unit_test(many_readers_one_fetch),
		cmocka_unit_test(neighbours_are_one_request),
		cmocka_unit_test(bytes_come_in_drops),
		cmocka_unit_test(outages_come_and_go),
		cmocka_unit_test(a_liar_among_two),
		cmocka_unit_test(pause_and_resume),
		cmocka_unit_test(completed_by_writes),
		cmocka_unit_test(the_fill_keeps_its_rate),
		cmocka_unit_test(the_rate_can_change),
		cmocka_unit_test(a_fill_that_is_waited_for_is_promoted),
		cmocka_unit_test(the_fill_is_turned_on_and_off),
		cmocka_unit_test(stopped_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
