// SPDX-License-Identifier: Apache-2.0
/* readpath_test.c - reads of what is there, what is not, and what is there in part */
#include "tests/unit/rig.h"

static struct rig g;

/* The engine is started by the tests that want it. */
static int setup(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 20, .no_fill = true};

	rig_init(&g, &o);
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

static void missing_then_present(void **state _unused_)
{
	rig_start(&g);
	rig_expect(&g, 3 * RIG_CHUNK, RIG_BLOCK);
	RIG_UNTIL(stats().n_waited == 1);
	assert_true(stats().wait_ms_p50 > 0);
	rig_expect(&g, 3 * RIG_CHUNK + RIG_BLOCK, RIG_CHUNK - RIG_BLOCK);
	assert_int_equal(stats().n_waited, 1);
	/* Over many chunks, of which one is there; up to the end of the image. */
	rig_expect(&g, RIG_BLOCK, READ_BYTES_MAX);
	rig_expect(&g, 18 * RIG_CHUNK, RIG_CHUNK + 3 * RIG_BLOCK);
	RIG_UNTIL(stats().n_waited == 3);
}

static void partly_present(void **state _unused_)
{
	uint8_t mine[2 * RIG_BLOCK], got[6 * RIG_BLOCK], want[6 * RIG_BLOCK];
	struct rig_reply across, within;

	memset(mine, 0x5c, sizeof mine);
	rig_reply_init(&across, got);
	readpath_read(g.rp, &across, 4 * RIG_CHUNK, sizeof got);
	rig_reply_init(&within, want);
	readpath_read(g.rp, &within, 4 * RIG_CHUNK + 3 * RIG_BLOCK, RIG_BLOCK);
	assert_int_equal(
		writepath_write(g.wp, 4 * RIG_CHUNK + 2 * RIG_BLOCK, mine, sizeof mine),
		0);
	/* Answered by the write alone; the other needs the fetch. */
	assert_int_equal(rig_reply_wait(&within), 0);
	assert_memory_equal(want, mine, RIG_BLOCK);
	assert_false(rig_is_replied(&across));
	rig_start(&g);
	assert_int_equal(rig_reply_wait(&across), 0);
	testimage_read(&g.image, 4 * RIG_CHUNK, want, sizeof want);
	memcpy(want + 2 * RIG_BLOCK, mine, sizeof mine);
	assert_memory_equal(got, want, sizeof want);
}

static void refusals(void **state _unused_)
{
	assert_int_equal(rig_read(&g, 1, NULL, RIG_BLOCK), -EINVAL);
	assert_int_equal(rig_read(&g, 0, NULL, 0), -EINVAL);
	assert_int_equal(rig_read(&g, 0, NULL, 512), -EINVAL);
	assert_int_equal(rig_read(&g, 0, NULL, READ_BYTES_MAX + RIG_BLOCK), -EINVAL);
}

static void the_store_cannot_read(void **state _unused_)
{
	rig_start(&g);
	store_fault_fail_reads(g.store, 1, -EIO);
	assert_int_equal(rig_read(&g, 0, NULL, RIG_BLOCK), -EIO);
	store_fault_fail_reads(g.store, 1, -ENOMEM);
	assert_int_equal(rig_read(&g, 0, NULL, RIG_BLOCK), -ENOMEM);
	rig_expect(&g, 0, RIG_BLOCK);
}

static void failed_at_the_end(void **state _unused_)
{
	static uint8_t zeros[RIG_BLOCK];
	struct rig_reply r[40];
	struct chunkmap_counts c;

	for (unsigned i = 0; i < 40; i++) {
		rig_reply_init(&r[i], NULL);
		readpath_read(g.rp, &r[i], i % 19 * RIG_CHUNK, RIG_BLOCK * (1 + i % 16));
	}
	chunkmap_counts(g.cm, &c);
	assert_int_equal(c.n_waiting, 40);
	readpath_fail_all(g.rp, -EIO);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(rig_reply_wait(&r[i]), -EIO);
	/* Later ones too, or they would wait for ever; what is there is still answered. */
	assert_int_equal(rig_read(&g, 0, NULL, RIG_CHUNK), -EIO);
	assert_int_equal(writepath_write(g.wp, 0, zeros, RIG_BLOCK), 0);
	assert_int_equal(rig_read(&g, 0, NULL, RIG_BLOCK), 0);
	assert_int_equal(rig_read(&g, 0, NULL, 2 * RIG_BLOCK), -EIO);
}

struct late {
	atomic_bool stop;
	atomic_uint n_reads;
};

static void *late_reader(void *arg)
{
	struct late *l = arg;
	struct rig_reply r;

	while (!atomic_load(&l->stop)) {
		unsigned n = atomic_fetch_add(&l->n_reads, 1);

		rig_reply_init(&r, NULL);
		readpath_read(g.rp, &r, n % 19 * RIG_CHUNK, RIG_BLOCK);
		assert(rig_reply_wait(&r) == -EIO);
	}
	return NULL;
}

/* Reads that come while everything is failed: none is left behind. */
static void nobody_is_left_behind(void **state _unused_)
{
	struct late l = {0};
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, late_reader, &l);
	usleep(5000);
	readpath_fail_all(g.rp, -EIO);
	RIG_UNTIL(atomic_load(&l.n_reads) > 500);
	atomic_store(&l.stop, true);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* More reads than may be set aside: their threads wait, and all are answered. */
static void more_than_can_wait(void **state _unused_)
{
	struct readpath_config config = {
		.cm = g.cm,
		.store = g.store,
		.n_waiting_max = 2,
		.n_threads = 4,
		.reply = rig_on_reply,
	};
	struct rig_reply r[2];

	writepath_free(g.wp);
	readpath_free(g.rp);
	assert_int_equal(readpath_new(&config, &g.rp), 0);
	assert_int_equal(writepath_new(g.cm, g.store, g.rp, 4, &g.wp), 0);
	for (unsigned i = 0; i < 2; i++) {
		rig_reply_init(&r[i], NULL);
		readpath_read(g.rp, &r[i], i * RIG_CHUNK, RIG_BLOCK);
	}
	rig_start(&g);
	for (uint64_t ci = 0; ci < 19; ci++)
		rig_expect(&g, ci * RIG_CHUNK, RIG_BLOCK);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig_reply_wait(&r[i]), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(missing_then_present),  T(partly_present),	T(refusals),
		T(the_store_cannot_read), T(failed_at_the_end), T(nobody_is_left_behind),
		T(more_than_can_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
