// SPDX-License-Identifier: Apache-2.0
/*
 * deadline_test.c - until the root is mounted reads wait until attach-timeout is over,
 * and for ever after that
 */
#include "tests/unit/rig.h"

#define DEADLINE_MS 300
#define LONG_DEADLINE_MS 2000 /* enough to do something before it on a busy machine */
#define TIMEOUT_MS 200

static const struct rig_options options = {
	.n_chunks = 40,
	.no_fill = true,
	.deadline_in_ms = DEADLINE_MS,
};
static struct rig g;

static int setup(void **state _unused_)
{
	rig_init(&g, &options);
	source_fault_hold(g.source, true);
	return 0;
}

static int teardown(void **state _unused_)
{
	rig_fini(&g);
	return 0;
}

static void wait_until_past(void)
{
	RIG_UNTIL(clock_ms() > g.deadline_ms);
}

/* One waits, two come when it is over already; what is there is read, and written, as ever. */
static void nothing_is_mounted(void **state _unused_)
{
	struct rig_reply early;
	uint8_t mine[RIG_BLOCK] = {7};

	rig_start(&g);
	rig_reply_init(&early, NULL);
	readpath_read(g.rp, &early, 0, RIG_BLOCK);
	assert_int_equal(rig_reply_wait(&early), -EIO);
	assert_true(clock_ms() >= g.deadline_ms);
	assert_int_equal(rig_read(&g, 5 * RIG_CHUNK, NULL, RIG_BLOCK), -EIO);
	assert_int_equal(rig_read(&g, 6 * RIG_CHUNK, NULL, RIG_BLOCK), -EIO);
	assert_int_equal(writepath_write(g.wp, 7 * RIG_CHUNK, mine, sizeof mine), 0);
	assert_int_equal(rig_read(&g, 7 * RIG_CHUNK, NULL, RIG_BLOCK), 0);
}

/* With a server that answers nothing is lost by what failed. */
static void the_server_is_back(void **state _unused_)
{
	rig_start(&g);
	assert_int_equal(rig_read(&g, 0, NULL, RIG_BLOCK), -EIO);
	source_fault_hold(g.source, false);
	RIG_UNTIL(rig_read(&g, 0, NULL, RIG_BLOCK) == 0);
	rig_expect(&g, 0, RIG_CHUNK);
}

/* A read that began to wait before the root was mounted is one like those after. */
static void it_was_mounted_in_time(void **state _unused_)
{
	struct rig_reply before, after;

	rig_fini(&g);
	rig_init(&g, &(struct rig_options){.n_chunks = 40,
					   .no_fill = true,
					   .deadline_in_ms = LONG_DEADLINE_MS});
	source_fault_hold(g.source, true);
	rig_start(&g);
	rig_reply_init(&before, NULL);
	rig_reply_init(&after, NULL);
	readpath_read(g.rp, &before, 0, RIG_BLOCK);
	atomic_store(&g.deadline_is_lifted, true);
	wait_until_past();
	readpath_read(g.rp, &after, 5 * RIG_CHUNK, RIG_BLOCK);
	usleep(200 * 1000);
	assert_false(rig_is_replied(&before));
	assert_false(rig_is_replied(&after));
	/* What does not count any more is not asked for again. */
	atomic_store(&g.deadline_is_lifted, false);
	usleep(1200 * 1000);
	assert_false(rig_is_replied(&before));
	source_fault_hold(g.source, false);
	assert_int_equal(rig_reply_wait(&before), 0);
	assert_int_equal(rig_reply_wait(&after), 0);
}

/* Whatever comes first; and the other goes on when the deadline has gone. */
static void together_with_io_timeout(void **state _unused_)
{
	int64_t from_ms;

	rig_fini(&g);
	rig_init(&g, &(struct rig_options){.n_chunks = 40,
					   .no_fill = true,
					   .io_timeout_ms = TIMEOUT_MS,
					   .deadline_in_ms = 60000});
	source_fault_hold(g.source, true);
	rig_start(&g);
	assert_int_equal(rig_read(&g, 0, NULL, RIG_BLOCK), -EIO);
	assert_true(clock_ms() < g.deadline_ms);
	rig_fini(&g);
	rig_init(&g, &(struct rig_options){.n_chunks = 40,
					   .no_fill = true,
					   .io_timeout_ms = TIMEOUT_MS,
					   .deadline_in_ms = 1});
	source_fault_hold(g.source, true);
	atomic_store(&g.deadline_is_lifted, true);
	rig_start(&g);
	wait_until_past();
	from_ms = clock_ms();
	assert_int_equal(rig_read(&g, 0, NULL, RIG_BLOCK), -EIO);
	assert_true(clock_ms() - from_ms >= TIMEOUT_MS);
	from_ms = clock_ms();
	assert_int_equal(rig_read(&g, 5 * RIG_CHUNK, NULL, RIG_BLOCK), -EIO);
	assert_true(clock_ms() - from_ms >= TIMEOUT_MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_mounted),
		TEST(the_server_is_back),
		TEST(it_was_mounted_in_time),
		TEST(together_with_io_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
