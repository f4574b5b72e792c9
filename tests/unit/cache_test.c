// SPDX-License-Identifier: Apache-2.0
/* cache_test.c - the budget holds, the least recently used leaves, what was written stays */
#include <errno.h>
#include <limits.h>

#include "tests/unit/store_contract.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/cache.h"
#include "store/store_mem.h"
#include "store/store_slots.h"
#include "tests/fakes/store_fault.h"

#define CHUNK 65536u
#define BLOCK 4096u
#define N_CHUNKS 200u
#define IMAGE_BYTES ((uint64_t)N_CHUNKS * CHUNK)
#define MIB (1u << 20)

struct bench {
	struct store *fault, *inner;
	struct chunkmap *cm;
	struct cache *cache;
	uint8_t *buf;
};

static void no_wake(void *ctx _unused_)
{
}

/* slot_device_bytes 0: no slots. */
static void open_bench(struct bench *b, uint64_t budget_bytes, uint64_t slot_device_bytes)
{
	struct cache_config config = {
		.image_bytes = IMAGE_BYTES,
		.chunk_bytes = CHUNK,
		.budget_bytes = budget_bytes,
	};
	struct store *mem;

	log_daemon(-1, -1);
	assert_int_equal(
		store_mem_new(slot_device_bytes ? slot_device_bytes : IMAGE_BYTES, 0,
			      &mem),
		0);
	b->inner = b->fault = store_fault_new(mem);
	if (slot_device_bytes)
		assert_int_equal(
			store_slots_new(b->fault, IMAGE_BYTES, CHUNK, NULL, &b->inner),
			0);
	assert_int_equal(chunkmap_new(IMAGE_BYTES, CHUNK, no_wake, NULL, &b->cm), 0);
	config.inner = b->inner;
	config.cm = b->cm;
	assert_int_equal(cache_new(&config, &b->cache), 0);
	assert_int_equal(cache_start(b->cache), 0);
	b->buf = store_buffer(CHUNK, 1);
}

static void close_bench(struct bench *b)
{
	cache_free(b->cache);
	chunkmap_free(b->cm);
	store_free(b->inner);
	free(b->buf);
}

static struct cache_stats stats_of(struct bench *b)
{
	struct cache_stats stats;

	cache_stats(b->cache, &stats);
	return stats;
}

/* A chunk comes, as a worker stores it. */
static int bring(struct bench *b, uint64_t ci)
{
	uint8_t valid[2];
	int err;

	if (!chunkmap_claim(b->cm, ci))
		return 0;
	chunkmap_store_begin(b->cm, ci, valid);
	err = store_put(cache_store(b->cache), ci * CHUNK, b->buf, CHUNK);
	assert_null(chunkmap_store_end(b->cm, ci, err == 0));
	return err;
}

static int put(struct bench *b, uint64_t off, uint32_t n_bytes)
{
	struct chunk_writer w;
	int err;

	chunkmap_write_begin(b->cm, &w, off, n_bytes);
	err = store_put(cache_store(b->cache), off, b->buf, n_bytes);
	assert_null(chunkmap_write_end(b->cm, &w, err == 0));
	return err;
}

/* False: it is not there. */
static bool use(struct bench *b, uint64_t off)
{
	uint8_t got[BLOCK] __attribute__((aligned(BLOCK)));
	struct chunk_reader r;

	if (!chunkmap_read_begin(b->cm, &r, off, BLOCK))
		return false;
	assert_int_equal(store_get(cache_store(b->cache), off, got, BLOCK), 0);
	assert_memory_equal(got, b->buf, BLOCK);
	chunkmap_read_end(b->cm, &r);
	return true;
}

static void keeps_the_contract(void **state _unused_)
{
	struct bench b;

	open_bench(&b, 0, 0);
	store_contract(cache_store(b.cache));
	cache_set_budget(b.cache, 64 * MIB);
	store_contract_zeros(cache_store(b.cache));
	store_contract_threads(cache_store(b.cache));
	close_bench(&b);
}

static void least_recently_used_leaves(void **state _unused_)
{
	struct bench b;

	open_bench(&b, 2 * MIB, 0);
	for (uint64_t ci = 0; ci < N_CHUNKS; ci++) {
		assert_int_equal(bring(&b, ci), 0);
		assert_true(stats_of(&b).used_bytes <= 2 * MIB);
		/* Used again and again, it stays; so does what came last. */
		assert_true(use(&b, 0));
		for (uint64_t back = 1; back < 8 && back < ci; back++)
			assert_int_not_equal(chunkmap_state(b.cm, ci - back),
					     CHUNK_ABSENT);
		for (uint64_t gone = 1; gone + 2 * MIB / CHUNK < ci; gone++)
			assert_int_equal(chunkmap_state(b.cm, gone), CHUNK_ABSENT);
	}
	assert_true(stats_of(&b).evicted_chunks >= N_CHUNKS - 2 * MIB / CHUNK);
	assert_int_equal(stats_of(&b).written_bytes, 0);
	close_bench(&b);
}

static void what_is_under_way_is_not_written(void **state _unused_)
{
	struct bench b;
	uint8_t valid[2];

	open_bench(&b, 2 * MIB, 0);
	assert_true(chunkmap_claim(b.cm, 0));
	chunkmap_store_begin(b.cm, 0, valid);
	assert_int_equal(store_put(cache_store(b.cache), 0, b.buf, CHUNK), 0);
	assert_int_equal(stats_of(&b).used_bytes, CHUNK);
	assert_int_equal(stats_of(&b).written_bytes, 0);
	assert_null(chunkmap_store_end(b.cm, 0, true));
	assert_int_equal(stats_of(&b).written_bytes, 0);
	/* Beside it, what was written is seen. */
	assert_int_equal(put(&b, 8 * CHUNK, BLOCK), 0);
	assert_int_equal(stats_of(&b).written_bytes, BLOCK);
	close_bench(&b);
}

static void without_a_budget_nothing_leaves(void **state _unused_)
{
	struct bench b;

	open_bench(&b, 0, 0);
	for (uint64_t ci = 0; ci < N_CHUNKS; ci++)
		assert_int_equal(bring(&b, ci), 0);
	assert_true(chunkmap_is_complete(b.cm));
	assert_int_equal(stats_of(&b).evicted_chunks, 0);
	/* Then one comes, and it is obeyed at once. */
	cache_set_budget(b.cache, 4 * MIB);
	for (int64_t until = clock_ms() + 20000; stats_of(&b).used_bytes > 4 * MIB;)
		assert_true(clock_ms() < until);
	/* And goes again. */
	cache_set_budget(b.cache, 0);
	for (uint64_t ci = 0; ci < N_CHUNKS; ci++)
		assert_int_equal(bring(&b, ci), 0);
	assert_true(chunkmap_is_complete(b.cm));
	close_bench(&b);
}

/* Single blocks here and there do not hold the rest of their chunks. */
static void written_blocks_stay(void **state _unused_)
{
	struct bench b;

	open_bench(&b, 2 * MIB, 0);
	for (unsigned round = 0; round < 2; round++)
		for (uint64_t ci = 0; ci < N_CHUNKS; ci++) {
			assert_int_equal(bring(&b, ci), 0);
			assert_int_equal(put(&b, ci * CHUNK, BLOCK), 0);
			assert_true(stats_of(&b).used_bytes <= 2 * MIB);
		}
	for (uint64_t ci = 0; ci < N_CHUNKS; ci++)
		assert_true(use(&b, ci * CHUNK));
	assert_int_equal(stats_of(&b).written_bytes, N_CHUNKS * BLOCK);
	close_bench(&b);
}

static void full_of_written_blocks(void **state _unused_)
{
	uint64_t n = 0;
	struct bench b;

	open_bench(&b, 2 * MIB, 0);
	for (uint64_t ci = 0; ci < 20; ci++)
		assert_int_equal(bring(&b, ci), 0);
	while (put(&b, n * CHUNK + CHUNK / 2, CHUNK / 2) == 0)
		n++;
	/* Written blocks alone fill it. */
	assert_int_equal(n, 2 * MIB / (CHUNK / 2));
	assert_true(stats_of(&b).is_full);
	assert_true(stats_of(&b).used_bytes <= 2 * MIB);
	assert_int_equal(put(&b, 0, BLOCK), -ENOSPC);
	assert_int_equal(bring(&b, N_CHUNKS - 1), -ENOSPC);
	for (uint64_t i = 0; i < n; i++)
		assert_true(use(&b, i * CHUNK + CHUNK / 2));
	/* What is discarded makes room. */
	assert_int_equal(store_discard(cache_store(b.cache), CHUNK / 2, CHUNK / 2), 0);
	assert_int_equal(put(&b, 0, BLOCK), 0);
	assert_false(stats_of(&b).is_full);
	assert_int_equal(put(&b, IMAGE_BYTES - CHUNK, CHUNK), -ENOSPC);
	/* So does a larger budget. */
	cache_set_budget(b.cache, 3 * MIB);
	assert_int_equal(bring(&b, N_CHUNKS - 1), 0);
	close_bench(&b);
}

/* More at once than is kept free between rounds. */
static void large_writes(void **state _unused_)
{
	struct bench b;

	open_bench(&b, 4 * CHUNK, 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(bring(&b, i), 0);
	assert_int_equal(put(&b, 20 * CHUNK, CHUNK), 0);
	assert_int_equal(put(&b, 30 * CHUNK, CHUNK), 0);
	assert_int_equal(put(&b, 40 * CHUNK, CHUNK), 0);
	assert_int_equal(put(&b, 50 * CHUNK, CHUNK), 0);
	assert_int_equal(put(&b, 60 * CHUNK, CHUNK), -ENOSPC);
	assert_true(use(&b, 20 * CHUNK));
	close_bench(&b);
}

/* A store that keeps what it should throw away costs room, and no more. */
static void discards_that_fail(void **state _unused_)
{
	struct bench b;
	uint64_t ci = 0;

	open_bench(&b, 2 * MIB, 0);
	while (ci < 2 * MIB / CHUNK - 8)
		assert_int_equal(bring(&b, ci++), 0);
	store_fault_fail_writes(b.fault, 8, UINT_MAX, -EIO);
	for (int err = 0; err == 0; ci++)
		err = bring(&b, ci);
	store_fault_fail_writes(b.fault, 0, 0, 0);
	assert_true(stats_of(&b).used_bytes <= 2 * MIB);
	for (uint64_t i = 0; i < ci; i++)
		(void)!use(&b, i * CHUNK);
	close_bench(&b);
}

static void slots_run_out_first(void **state _unused_)
{
	struct bench b;

	open_bench(&b, 64 * MIB, 64 * CHUNK);
	for (unsigned round = 0; round < 2; round++)
		for (uint64_t ci = 0; ci < N_CHUNKS; ci++) {
			assert_int_equal(bring(&b, ci), 0);
			assert_true(use(&b, ci * CHUNK));
		}
	assert_true(stats_of(&b).evicted_chunks > N_CHUNKS);
	close_bench(&b);
}

struct bringer {
	struct bench *b;
	uint64_t first;
	unsigned n_failed;
};

static void *bring_many(void *arg)
{
	struct bringer *m = arg;

	for (unsigned i = 0; i < 400; i++) {
		int err = bring(m->b, (m->first + i * 7) % N_CHUNKS);

		m->n_failed += err < 0;
		(void)!use(m->b, (m->first + i * 3) % N_CHUNKS * CHUNK);
	}
	return NULL;
}

/* Several at a time want more room than there is: each gets it in the end. */
static void many_at_a_time(void **state _unused_)
{
	struct bringer m[6];
	pthread_t threads[6];
	struct bench b;

	open_bench(&b, 2 * MIB, 0);
	for (unsigned i = 0; i < 6; i++) {
		m[i] = (struct bringer){.b = &b, .first = i * 31};
		pthread_create(&threads[i], NULL, bring_many, &m[i]);
	}
	for (unsigned i = 0; i < 100; i++) {
		assert_true(stats_of(&b).used_bytes <= 2 * MIB);
		usleep(500);
	}
	for (unsigned i = 0; i < 6; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(m[i].n_failed, 0);
	}
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_contract),
		cmocka_unit_test(least_recently_used_leaves),
		cmocka_unit_test(what_is_under_way_is_not_written),
		cmocka_unit_test(without_a_budget_nothing_leaves),
		cmocka_unit_test(written_blocks_stay),
		cmocka_unit_test(full_of_written_blocks),
		cmocka_unit_test(large_writes),
		cmocka_unit_test(discards_that_fail),
		cmocka_unit_test(slots_run_out_first),
		cmocka_unit_test(many_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
