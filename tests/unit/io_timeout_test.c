// SPDX-License-Identifier: Apache-2.0
/* io_timeout_test.c - reads that have waited too long fail, and nothing else does */
#include "tests/unit/rig.h"

#define LIMIT_MS 250

static const struct rig_options options = {
	.n_chunks = 40,
	.no_fill = true,
	.io_timeout_ms = LIMIT_MS,
};
static struct rig g;

static int setup(void **state _unused_)
{
	rig_init(&g, &options);
	return 0;
}

static int teardown(void **state _unused_)
{
	rig_fini(&g);
	return 0;
}

static struct readpath_stats stats(void)
{
	struct readpath_stats s;

	readpath_stats(g.rp, &s);
	return s;
}

static uint64_t n_demanded(void)
{
	struct chunkmap_counts counts;

	chunkmap_counts(g.cm, &counts);
	return counts.n_demanded;
}

/* On a busy machine a read may take longer than the limit without any outage. */
static void expect_soon(uint64_t img_off, size_t n_bytes)
{
	RIG_UNTIL(rig_read(&g, img_off, NULL, n_bytes) == 0);
	rig_expect(&g, img_off, n_bytes);
}

static void an_outage(void **state _unused_)
{
	uint8_t mine[RIG_BLOCK];
	uint64_t n_before;

	rig_start(&g);
	expect_soon(0, RIG_CHUNK);
	n_before = stats().n_timed_out;
	source_fault_hold(g.source, true);
	assert_int_equal(rig_read(&g, 5 * RIG_CHUNK, NULL, RIG_BLOCK), -EIO);
	/* What is there is not affected, nor is a write. */
	rig_expect(&g, 0, RIG_CHUNK);
	memset(mine, 7, sizeof mine);
	assert_int_equal(writepath_write(g.wp, 6 * RIG_CHUNK, mine, sizeof mine), 0);
	assert_int_equal(rig_read(&g, 6 * RIG_CHUNK, NULL, RIG_BLOCK), 0);
	assert_int_equal(rig_read(&g, 6 * RIG_CHUNK, NULL, RIG_CHUNK), -EIO);
	assert_int_equal(stats().n_timed_out, n_before + 2);
	source_fault_hold(g.source, false);
	expect_soon(5 * RIG_CHUNK, RIG_BLOCK);
	expect_soon(7 * RIG_CHUNK, READ_BYTES_MAX);
}

/* Each at its own time, and the younger one is answered when its bytes come before. */
static void one_after_the_other(void **state _unused_)
{
	struct rig_reply first, second;

	rig_start(&g);
	source_fault_hold(g.source, true);
	rig_reply_init(&first, NULL);
	rig_reply_init(&second, NULL);
	readpath_read(g.rp, &first, 0, RIG_BLOCK);
	usleep(LIMIT_MS * 500);
	readpath_read(g.rp, &second, 20 * RIG_CHUNK, RIG_BLOCK);
	RIG_UNTIL(rig_is_replied(&first));
	assert_int_equal(rig_reply_wait(&first), -EIO);
	source_fault_hold(g.source, false);
	assert_true(rig_reply_wait(&second) == 0 || second.err == -EIO);
}

/* The engine does not run: the queue is what is looked at. */
static void what_nobody_waits_for(void **state _unused_)
{
	struct rig_reply large, small, late;
	uint64_t ci;

	rig_reply_init(&large, NULL);
	rig_reply_init(&small, NULL);
	rig_reply_init(&late, NULL);
	readpath_read(g.rp, &large, 3 * RIG_CHUNK, 4 * RIG_CHUNK);
	readpath_read(g.rp, &small, 20 * RIG_CHUNK, RIG_BLOCK);
	assert_in_range(readpath_expire(g.rp), 0, LIMIT_MS + 1);
	assert_false(rig_is_replied(&large));
	usleep((LIMIT_MS + 20) * 1000);
	readpath_read(g.rp, &late, 6 * RIG_CHUNK, 2 * RIG_CHUNK);
	assert_int_equal(n_demanded(), 6);
	assert_in_range(readpath_expire(g.rp), 1, LIMIT_MS + 1);
	assert_int_equal(rig_reply_wait(&large), -EIO);
	assert_int_equal(rig_reply_wait(&small), -EIO);
	assert_false(rig_is_replied(&late));
	/* Both chunks of the read that is left, although it waits for the first of them only. */
	assert_int_equal(n_demanded(), 2);
	assert_true(chunkmap_next_demand(g.cm, &ci));
	assert_int_equal(ci, 6);
	assert_true(chunkmap_next_demand(g.cm, &ci));
	assert_int_equal(ci, 7);
	assert_false(chunkmap_next_demand(g.cm, &ci));
	usleep((LIMIT_MS + 20) * 1000);
	/* Nobody is left to wait: it need not be called again. */
	(void)readpath_expire(g.rp);
	assert_int_equal(rig_reply_wait(&late), -EIO);
	assert_int_equal(readpath_expire(g.rp), -1);
	assert_int_equal(n_demanded(), 0);
}

/* Many readers over many outages: every read is answered, with the right bytes or with EIO. */
static struct {
	struct lock lock;
	unsigned n_good, n_failed;
} tally;

static void *reader(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	uint8_t got[RIG_BLOCK], want[RIG_BLOCK];

	for (unsigned i = 0; i < 25; i++) {
		uint64_t block = (uint64_t)rand_r(&seed) % (39 * RIG_BLOCKS_PER_CHUNK);
		int err = rig_read(&g, block * RIG_BLOCK, got, RIG_BLOCK);

		assert(err == 0 || err == -EIO);
		testimage_block(&g.image, block, want);
		assert(err < 0 || memcmp(got, want, RIG_BLOCK) == 0);
		lock_acquire(&tally.lock);
		tally.n_good += err == 0;
		tally.n_failed += err < 0;
		lock_release(&tally.lock);
	}
	return NULL;
}

static void outages_under_load(void **state _unused_)
{
	pthread_t threads[8];
	struct chunkmap_counts counts;

	lock_init(&tally.lock);
	source_fault_set_step(g.source, 3000);
	source_fault_hold(g.source, true);
	rig_start(&g);
	for (uintptr_t i = 0; i < 8; i++)
		PTHREAD_OK(pthread_create(&threads[i], NULL, reader, (void *)(i + 1)));
	RIG_UNTIL(stats().n_timed_out > 0);
	for (unsigned i = 0; i < 20; i++) {
		source_fault_hold(g.source, i % 2);
		usleep(4000);
	}
	source_fault_hold(g.source, false);
	for (unsigned i = 0; i < 8; i++)
		PTHREAD_OK(pthread_join(threads[i], NULL));
	assert_int_equal(tally.n_good + tally.n_failed, 8 * 25);
	assert_int_equal(stats().n_timed_out, tally.n_failed);
	chunkmap_counts(g.cm, &counts);
	assert_int_equal(counts.n_waiting, 0);
	lock_fini(&tally.lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_outage),
		TEST(one_after_the_other),
		TEST(what_nobody_waits_for),
		TEST(outages_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
