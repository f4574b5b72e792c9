// SPDX-License-Identifier: Apache-2.0
/* cachelimit_test.c - what the cache may take while memory runs short */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/cache.h"
#include "engine/cachelimit.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t limit(uint64_t budget_mib, uint64_t used_mib, uint64_t written_mib,
		      uint64_t available_mib)
{
	const struct cachelimit_now now = {
		.used_bytes = used_mib * MIB,
		.written_bytes = written_mib * MIB,
		.available_bytes = available_mib * MIB,
		.reserve_bytes = 100 * MIB,
	};

	return cachelimit(budget_mib * MIB, &now) / MIB;
}

static void enough_is_left_alone(void **state _unused_)
{
	assert_int_equal(limit(500, 0, 0, 10000), 500);
	assert_int_equal(limit(500, 500, 0, 101), 500);
}

static void grows_up_to_the_reserve(void **state _unused_)
{
	assert_int_equal(limit(500, 200, 0, 150), 250);
	assert_int_equal(limit(500, 200, 0, 100), 200);
}

static void gives_back_what_is_missing(void **state _unused_)
{
	assert_int_equal(limit(500, 200, 0, 70), 170);
	assert_int_equal(limit(500, 300, 0, 0), 200);
}

static void keeps_what_it_cannot_do_without(void **state _unused_)
{
	assert_int_equal(limit(500, 90, 0, 0), CACHE_BYTES_MIN / MIB);
	assert_int_equal(limit(500, 150, 80, 0), CACHE_BYTES_MIN / MIB + 100);
	/* The user's word is the last. */
	assert_int_equal(limit(90, 90, 80, 0), 90);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enough_is_left_alone),
		cmocka_unit_test(grows_up_to_the_reserve),
		cmocka_unit_test(gives_back_what_is_missing),
		cmocka_unit_test(keeps_what_it_cannot_do_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
