// SPDX-License-Identifier: Apache-2.0
/* workers_test.c - one result for each job, good or bad, and only good chunks in the store */
#include "tests/unit/rig.h"

#include "engine/workers.h"

#define N 60u

static struct rig g;
static struct workers *workers;
static atomic_uint n_wakes;

static void count_wake(void *ctx _unused_)
{
	atomic_fetch_add(&n_wakes, 1);
}

static int setup(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = N, .n_workers = 3};

	rig_init(&g, &o);
	atomic_store(&n_wakes, 0);
	return workers_new(&g.config, count_wake, NULL, &workers);
}

static int teardown(void **state _unused_)
{
	workers_stop(workers);
	workers_free(workers);
	rig_fini(&g);
	return 0;
}

static void push(uint64_t ci)
{
	struct worker_job job = {
		.chunk = testimage_chunk(&g.image, ci),
		.fetch = (unsigned)ci % 7,
		.server = (unsigned)ci % 3,
	};

	job.data = g.image.file + job.chunk.src_off;
	assert_true(chunkmap_claim(g.cm, ci));
	workers_push(workers, &job);
}

/* Wait for n results; each chunk has one at most. */
static void take(unsigned n, struct worker_result ret[N])
{
	struct worker_result some[7];

	memset(ret, 0, N * sizeof *ret);
	for (unsigned n_got = 0; n_got < n;) {
		unsigned k;

		RIG_UNTIL((k = workers_results(workers, some, 7)) > 0);
		n_got += k;
		assert_true(n_got <= n);
		while (k--) {
			struct worker_result *r = &ret[some[k].ci];

			assert_int_equal(r->src_off, 0);
			*r = some[k];
			assert_int_equal(r->fetch, r->ci % 7);
			assert_int_equal(r->server, r->ci % 3);
			assert_int_equal(r->src_off,
					 testimage_chunk(&g.image, r->ci).src_off);
		}
	}
}

static void one_result_a_job(void **state _unused_)
{
	struct worker_result results[N];

	for (uint64_t ci = 0; ci < N / 2; ci++)
		push(ci);
	assert_int_equal(workers_start(workers), 0);
	for (uint64_t ci = N / 2; ci < N; ci++)
		push(ci);
	take(N, results);
	for (uint64_t ci = 0; ci < N; ci++)
		assert_int_equal(results[ci].img_err | results[ci].store_err, 0);
	RIG_UNTIL(atomic_load(&n_wakes) == N);
	assert_true(chunkmap_is_complete(g.cm));
	rig_expect(&g, 0, READ_BYTES_MAX);
	rig_expect(&g, 50 * RIG_CHUNK, 9 * RIG_CHUNK + 3 * RIG_BLOCK);
}

static void bad_bytes_and_a_bad_store(void **state _unused_)
{
	struct worker_result results[N];
	struct store_fault_counts counts;

	g.image.file[testimage_chunk(&g.image, 4).src_off + 30] ^= 4;
	push(4);
	assert_int_equal(workers_start(workers), 0);
	take(1, results);
	assert_int_equal(results[4].img_err, IMG_ERR_DIGEST);
	store_fault_counts(g.store, &counts);
	assert_int_equal(counts.n_writes, 0);
	assert_int_equal(chunkmap_state(g.cm, 4), CHUNK_ABSENT);
	/* Still the caller's claim: it decides what happens next. */
	assert_false(chunkmap_claim(g.cm, 4));
	store_fault_fail_writes(g.store, 0, 1, -ENOSPC);
	push(5);
	take(1, results);
	assert_int_equal(results[5].store_err, -ENOSPC);
	assert_int_equal(chunkmap_state(g.cm, 5), CHUNK_ABSENT);
	push(5);
	take(1, results);
	assert_int_equal(results[5].store_err, 0);
	rig_expect(&g, 5 * RIG_CHUNK, RIG_CHUNK);
}

/* Every pattern of blocks that were written: the others come from the image. */
static void only_missing_blocks_are_stored(void **state _unused_)
{
	const uint16_t patterns[] = {0x0001, 0x8000, 0x5555, 0xaaaa, 0x7ffe,
				     0x0ff0, 0xfffe, 0x7fff, 0x8001, 0x1248};
	static uint8_t mine[RIG_BLOCK], got[RIG_BLOCK], want[RIG_BLOCK];
	struct worker_result results[N];

	memset(mine, 0xee, sizeof mine);
	for (uint64_t ci = 0; ci < ARRAY_SIZE(patterns); ci++)
		for (unsigned b = 0; b < 16; b++)
			if (patterns[ci] >> b & 1)
				assert_int_equal(
					writepath_write(g.wp,
							ci * RIG_CHUNK + b * RIG_BLOCK,
							mine, RIG_BLOCK),
					0);
	assert_int_equal(workers_start(workers), 0);
	for (uint64_t ci = 0; ci < ARRAY_SIZE(patterns); ci++)
		push(ci);
	take(ARRAY_SIZE(patterns), results);
	for (uint64_t block = 0; block < ARRAY_SIZE(patterns) * 16; block++) {
		testimage_block(&g.image, block, want);
		assert_int_equal(rig_read(&g, block * RIG_BLOCK, got, RIG_BLOCK), 0);
		assert_memory_equal(
			got, patterns[block / 16] >> (block % 16) & 1 ? mine : want,
			RIG_BLOCK);
	}
}

static void resume_is_passed_on(void **state _unused_)
{
	static uint8_t buf[3][RIG_BLOCK];
	struct rig_reply r[3];

	for (unsigned i = 0; i < 3; i++) {
		rig_reply_init(&r[i], buf[i]);
		readpath_read(g.rp, &r[i], i / 2 * RIG_CHUNK, RIG_BLOCK);
	}
	/* More than one list before any thread runs. */
	workers_resume(workers, chunkmap_mark_zero(g.cm, 0));
	workers_resume(workers, chunkmap_mark_zero(g.cm, 1));
	workers_resume(workers, NULL);
	assert_int_equal(workers_start(workers), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_reply_wait(&r[i]), 0);
}

static void jobs_not_begun_are_dropped(void **state _unused_)
{
	struct worker_result results[N];

	for (uint64_t ci = 0; ci < N; ci++)
		push(ci);
	store_fault_set_delay(g.store, 2000);
	assert_int_equal(workers_start(workers), 0);
	usleep(5000);
	workers_stop(workers);
	workers_stop(workers);
	for (unsigned n = workers_results(workers, results, N), i = 0; i < n; i++)
		assert_int_equal(chunkmap_state(g.cm, results[i].ci), CHUNK_READY);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_result_a_job),
		T(bad_bytes_and_a_bad_store),
		T(only_missing_blocks_are_stored),
		T(resume_is_passed_on),
		T(jobs_not_begun_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
