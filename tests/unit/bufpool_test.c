// SPDX-License-Identifier: Apache-2.0
/* bufpool_test.c - every piece is one thread's alone, and an empty pool makes threads wait */
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bufpool.h"

static void pieces_are_apart_and_aligned(void **state _unused_)
{
	const size_t sizes[] = {8, 100, 4096, 5000};

	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		struct bufpool *p = bufpool_new(7, sizes[k]);
		uint8_t *piece[7];

		assert_non_null(p);
		for (unsigned i = 0; i < 7; i++) {
			piece[i] = bufpool_get(p);
			assert_int_equal(
				(uintptr_t)piece[i] % (sizes[k] >= 4096 ? 4096 : 64), 0);
			memset(piece[i], (int)i, sizes[k]);
		}
		for (unsigned i = 0; i < 7; i++) {
			for (size_t at = 0; at < sizes[k]; at++)
				assert_int_equal(piece[i][at], i);
			bufpool_put(p, piece[i]);
		}
		bufpool_free(p);
	}
}

static void a_piece_comes_again(void **state _unused_)
{
	struct bufpool *p = bufpool_new(2, 64);
	void *a = bufpool_get(p), *b = bufpool_get(p);

	bufpool_put(p, a);
	assert_ptr_equal(bufpool_get(p), a);
	bufpool_put(p, b);
	bufpool_put(p, a);
	assert_ptr_not_equal(bufpool_get(p), bufpool_get(p));
	bufpool_put(p, a);
	bufpool_put(p, b);
	bufpool_free(p);
}

static void too_much_is_refused(void **state _unused_)
{
	assert_null(bufpool_new(UINT32_MAX, SIZE_MAX / 4));
	bufpool_free(NULL);
}

struct crowd {
	struct bufpool *pool;
	atomic_uint n_out, n_out_max;
};

static void *take_and_give(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < 3000; i++) {
		volatile uint32_t *mine = bufpool_get(c->pool);
		unsigned n = atomic_fetch_add(&c->n_out, 1) + 1;
		unsigned most = atomic_load(&c->n_out_max);

		while (n > most && !atomic_compare_exchange_weak(&c->n_out_max, &most, n))
			;
		mine[4] = i;
		assert(mine[4] == i);
		atomic_fetch_sub(&c->n_out, 1);
		bufpool_put(c->pool, (void *)(uintptr_t)mine);
	}
	return NULL;
}

static void a_crowd_shares_three(void **state _unused_)
{
	struct crowd c = {.pool = bufpool_new(3, 64)};
	pthread_t threads[8];

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &c), 0);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(atomic_load(&c.n_out_max), 1, 3);
	bufpool_free(c.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_apart_and_aligned),
		cmocka_unit_test(a_piece_comes_again),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_crowd_shares_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
