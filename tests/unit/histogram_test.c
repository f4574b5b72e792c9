// SPDX-License-Identifier: Apache-2.0
/* histogram_test.c - percentiles of known distributions */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static void nothing_yet(void **state _unused_)
{
	struct histogram h = {0};

	assert_true(histogram_ms(&h, 50) == 0);
	assert_true(histogram_ms(&h, 99) == 0);
}

/* Above the value, and by an eighth at most: of each value alone, over the whole range. */
static void every_size(void **state _unused_)
{
	for (uint64_t us = 1; us < UINT64_C(1) << 40; us += us / 7 + 1) {
		struct histogram h = {0};
		double ms = (double)us / 1000;

		histogram_add(&h, (int64_t)us * 1000);
		assert_int_equal(h.n, 1);
		assert_true(histogram_ms(&h, 50) > ms);
		assert_true(histogram_ms(&h, 99) <= ms * 9 / 8 + 0.0011);
	}
}

static void percentiles(void **state _unused_)
{
	struct histogram h = {0};

	for (int64_t i = 1; i <= 1000; i++)
		histogram_add(&h, i * 1000000);
	assert_int_equal(h.n, 1000);
	assert_true(histogram_ms(&h, 50) >= 500 && histogram_ms(&h, 50) <= 563);
	assert_true(histogram_ms(&h, 99) >= 990 && histogram_ms(&h, 99) <= 1114);
	assert_true(histogram_ms(&h, 100) >= 1000);
}

static void one_slow_one(void **state _unused_)
{
	struct histogram h = {0};

	for (unsigned i = 0; i < 99; i++)
		histogram_add(&h, 10000);
	histogram_add(&h, INT64_C(30) * 1000000000);
	assert_true(histogram_ms(&h, 50) < 0.02);
	assert_true(histogram_ms(&h, 99) < 0.02);
	assert_true(histogram_ms(&h, 100) >= 30000);
}

static void odd_times(void **state _unused_)
{
	struct histogram h = {0};

	histogram_add(&h, -5);
	histogram_add(&h, 0);
	histogram_add(&h, 999);
	assert_true(histogram_ms(&h, 99) <= 0.001);
	histogram_add(&h, INT64_MAX);
	assert_true(histogram_ms(&h, 100) > 1e6);
}

static void edges_are_exact(void **state _unused_)
{
	struct histogram h = {0};

	for (int64_t us = 1; us <= 4096; us++)
		histogram_add(&h, us * 1000);
	for (unsigned power = 3; power <= 12; power++)
		assert_int_equal(histogram_below(&h, power), (1u << power) - 1);
	assert_int_equal(histogram_below(&h, 13), 4096);
	assert_int_equal(h.sum_us, 4096 * 4097 / 2);
}

static void longest_of_late(void **state _unused_)
{
	struct histogram h = {0}, before;

	histogram_add(&h, INT64_C(9000000000));
	before = h;
	assert_true(histogram_longest_ms(&h, &before) == 0);
	histogram_add(&h, 3000000);
	assert_true(histogram_longest_ms(&h, &before) > 3);
	assert_true(histogram_longest_ms(&h, &before) < 3.4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_yet),	   cmocka_unit_test(every_size),
		cmocka_unit_test(percentiles),	   cmocka_unit_test(one_slow_one),
		cmocka_unit_test(odd_times),	   cmocka_unit_test(edges_are_exact),
		cmocka_unit_test(longest_of_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
