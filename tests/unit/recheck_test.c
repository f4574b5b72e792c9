// SPDX-License-Identifier: Apache-2.0
/*
 * recheck_test.c - chunks that a persistent store has: in which order they are looked at,
 * who waits for it, and what becomes of those that are not right
 */
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/recheck.h"
#include "store/store_disk.h"
#include "tests/fakes/disk_power.h"

#define CHUNK 65536u
#define BLOCK 4096u
#define N 24u
#define BYTES (N * CHUNK - 3 * BLOCK)
#define DISK_BYTES (8u << 20)
#define WAIT_MS 20000

static struct chunkmap *cm;
static struct store *store;
static uint8_t *buffer;
static atomic_uint n_wakes, n_resumed;

static void count_wake(void *ctx _unused_)
{
	atomic_fetch_add(&n_wakes, 1);
}

static void on_resume(void *ctx _unused_, struct chunk_waiter *list)
{
	for (; list; list = list->next)
		atomic_fetch_add(&n_resumed, 1);
}

static uint32_t content(uint64_t ci)
{
	uint32_t n = ci + 1 == N ? CHUNK - 3 * BLOCK : CHUNK;

	for (uint32_t i = 0; i < n; i++)
		buffer[i] = (uint8_t)(ci + i * 3 + i / 200);
	return n;
}

/* A store that remembers all chunks but the fourth; the ninth has changed since. */
static int setup(void **state _unused_)
{
	const struct store_disk_config config = {
		.image = {.image_bytes = BYTES, .chunk_bytes = CHUNK},
	};
	struct disk *d = disk_power_new(DISK_BYTES), *again;
	struct layout l;

	log_daemon(-1, -1);
	buffer = aligned_alloc(BLOCK, CHUNK);
	atomic_store(&n_wakes, 0);
	atomic_store(&n_resumed, 0);
	assert_int_equal(store_disk_over(d, &config, &store), 0);
	for (uint64_t ci = 0; ci < N; ci++) {
		const struct store_io io = {ci * CHUNK, buffer, content(ci)};

		if (ci == 4)
			continue;
		assert_int_equal(store_write(store, &io, 1), 0);
		store_chunk_stored(store, ci, buffer, io.n_bytes);
	}
	assert_int_equal(store_disk_sync(store), 0);
	again = disk_power_cut(d, disk_power_n_events(d), POWER_LOSES_ALL, 0);
	store_free(store);
	assert_int_equal(store_disk_over(again, &config, &store), 0);
	assert_true(layout_init(&l, &config.image));
	disk_power_bytes(again)[l.data_off + 9 * CHUNK + 999] ^= 4;
	return chunkmap_new(BYTES, CHUNK, count_wake, NULL, &cm);
}

static int teardown(void **state _unused_)
{
	chunkmap_free(cm);
	store_free(store);
	free(buffer);
	return 0;
}

static struct recheck *new_recheck(unsigned n_threads)
{
	const struct recheck_config config = {
		.cm = cm,
		.store = store,
		.image_bytes = BYTES,
		.chunk_bytes = CHUNK,
		.n_threads = n_threads,
		.resume = on_resume,
	};
	struct recheck *r;

	assert_int_equal(recheck_new(&config, &r), 0);
	assert_non_null(r);
	return r;
}

static void wait_for_all(struct recheck *r, uint64_t n)
{
	struct recheck_stats stats;
	int64_t until = clock_ms() + WAIT_MS;

	do {
		assert_true(clock_ms() < until);
		recheck_stats(r, &stats);
		usleep(500);
	} while (stats.n_right + stats.n_wrong < n);
}

static void all_are_looked_at(void **state _unused_)
{
	struct chunk_waiter w = {.img_off = 9 * CHUNK, .n_bytes = BLOCK};
	struct recheck *r = new_recheck(2);
	struct recheck_stats stats;
	uint64_t ci;

	/* Nobody fetches them meanwhile; a read waits. */
	assert_true(chunkmap_next_absent(cm, 0, &ci));
	assert_int_equal(ci, 4);
	assert_false(chunkmap_next_absent(cm, 5, &ci));
	assert_false(chunkmap_want(cm, &w));
	assert_false(chunkmap_next_demand(cm, &ci));
	assert_int_equal(recheck_start(r), 0);
	wait_for_all(r, N - 1);
	recheck_stop(r);
	recheck_stats(r, &stats);
	assert_int_equal(stats.n_present, N - 1);
	assert_int_equal(stats.n_right, N - 2);
	assert_int_equal(stats.n_wrong, 1);
	for (ci = 0; ci < N; ci++)
		assert_int_equal(chunkmap_state(cm, ci),
				 ci == 4 || ci == 9 ? CHUNK_ABSENT : CHUNK_READY);
	/* The read of the wrong one waits for a fetch now, and what lay there is gone. */
	assert_true(chunkmap_next_demand(cm, &ci));
	assert_int_equal(ci, 9);
	assert_int_equal(atomic_load(&n_resumed), 0);
	assert_false(store->ops->persistence->has_chunk(store, 9));
	assert_int_equal(
		store_read(store, &(struct store_io){9 * CHUNK, buffer, BLOCK}, 1), 0);
	assert_int_equal(buffer[0] | buffer[999], 0);
	assert_true(atomic_load(&n_wakes) > 0);
	assert_non_null(chunkmap_take_all_waiters(cm));
	recheck_free(r);
}

static void who_waits_comes_first(void **state _unused_)
{
	struct chunk_waiter w = {.img_off = 20 * CHUNK + BLOCK, .n_bytes = BLOCK};
	struct recheck *r = new_recheck(1);
	uint64_t cursor = 0, ci;

	assert_true(chunkmap_check_begin(cm, &cursor, &ci));
	assert_int_equal(ci, 0);
	assert_false(chunkmap_want(cm, &w));
	assert_null(chunkmap_check_end(cm, ci, true));
	assert_true(chunkmap_check_begin(cm, &cursor, &ci));
	assert_int_equal(ci, 20);
	assert_false(chunkmap_is_present(cm, 20));
	assert_ptr_equal(chunkmap_check_end(cm, ci, true), &w);
	assert_int_equal(chunkmap_state(cm, 20), CHUNK_READY);
	assert_true(chunkmap_check_begin(cm, &cursor, &ci));
	assert_int_equal(ci, 1);
	assert_null(chunkmap_check_end(cm, ci, false));
	assert_true(chunkmap_claim(cm, 1));
	chunkmap_unclaim(cm, 1);
	recheck_stop(r);
	assert_true(chunkmap_claim(cm, 2));
	chunkmap_unclaim(cm, 2);
	recheck_free(r);
}

static atomic_bool has_written;

static void *write_part(void *arg _unused_)
{
	struct chunk_writer w;

	chunkmap_write_begin(cm, &w, 15 * CHUNK + BLOCK, 2 * BLOCK);
	atomic_store(&has_written, true);
	if (chunkmap_write_end(cm, &w, true))
		abort();
	return NULL;
}

static void a_writer_waits_for_the_check(void **state _unused_)
{
	struct recheck *r = new_recheck(1);
	uint64_t cursor = 0, ci = 0;
	pthread_t thread;

	atomic_store(&has_written, false);
	pthread_create(&thread, NULL, write_part, NULL);
	for (int64_t until = clock_ms() + WAIT_MS; ci != 15;) {
		assert_true(clock_ms() < until);
		assert_true(chunkmap_check_begin(cm, &cursor, &ci));
		assert_false(atomic_load(&has_written));
		assert_null(chunkmap_check_end(cm, ci, true));
	}
	/* Long before its turn. */
	assert_true(cursor < 14 || cursor == 16);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&has_written));
	recheck_stop(r);
	recheck_free(r);
}

/* All of it is overwritten: what was there does not matter. */
static void a_whole_write_does_not_wait(void **state _unused_)
{
	struct recheck *r = new_recheck(1);
	struct chunk_writer w;
	uint64_t cursor = 3, ci;

	chunkmap_write_begin(cm, &w, 3 * CHUNK, 3 * CHUNK);
	assert_null(chunkmap_write_end(cm, &w, true));
	assert_int_equal(chunkmap_state(cm, 3), CHUNK_READY);
	assert_true(chunkmap_check_begin(cm, &cursor, &ci));
	assert_int_equal(ci, 6);
	assert_null(chunkmap_check_end(cm, ci, true));
	assert_int_equal(chunkmap_state(cm, 5), CHUNK_READY);
	/* The last chunk is shorter. */
	chunkmap_write_begin(cm, &w, (N - 1) * CHUNK, CHUNK - 3 * BLOCK);
	assert_null(chunkmap_write_end(cm, &w, true));
	assert_int_equal(chunkmap_state(cm, N - 1), CHUNK_READY);
	recheck_stop(r);
	recheck_free(r);
}

/* Nobody checks any more: writers and fetches go on. */
static void the_end_lets_everybody_go(void **state _unused_)
{
	struct recheck *r = new_recheck(1);
	struct chunk_waiter w = {.img_off = 2 * CHUNK, .n_bytes = BLOCK};
	pthread_t thread;
	uint64_t ci;

	atomic_store(&has_written, false);
	assert_false(chunkmap_want(cm, &w));
	pthread_create(&thread, NULL, write_part, NULL);
	recheck_stop(r);
	pthread_join(thread, NULL);
	assert_int_equal(chunkmap_state(cm, 15), CHUNK_PARTIAL);
	assert_true(chunkmap_next_demand(cm, &ci));
	assert_int_equal(ci, 2);
	assert_ptr_equal(chunkmap_take_all_waiters(cm), &w);
	recheck_free(r);
}

/* The hot pack brings nothing into a chunk that is looked at as a whole. */
static void the_pack_stays_out(void **state _unused_)
{
	struct recheck *r = new_recheck(1);
	uint8_t valid[CHUNK / BLOCK / 8];
	struct chunk_waiter w = {.img_off = 7 * CHUNK, .n_bytes = BLOCK};
	uint64_t cursor = 7, ci;

	chunkmap_promise(cm, 7, 0, 4);
	assert_false(chunkmap_part_begin(cm, 7, valid));
	assert_true(chunkmap_check_begin(cm, &cursor, &ci));
	assert_int_equal(ci, 7);
	assert_null(chunkmap_check_end(cm, ci, false));
	/* The promise was not taken: the read is not left to the pack. */
	assert_false(chunkmap_want(cm, &w));
	assert_true(chunkmap_next_demand(cm, &ci));
	assert_int_equal(ci, 7);
	assert_ptr_equal(chunkmap_take_all_waiters(cm), &w);
	recheck_stop(r);
	recheck_free(r);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(all_are_looked_at),
		CASE(who_waits_comes_first),
		CASE(a_writer_waits_for_the_check),
		CASE(a_whole_write_does_not_wait),
		CASE(the_end_lets_everybody_go),
		CASE(the_pack_stays_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
