// SPDX-License-Identifier: Apache-2.0
/* queue_test.c - first in, first out, also around the ring's end */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "map/queue.h"

static void first_in_first_out(void **state _unused_)
{
	struct queue q;
	uint64_t ci = 77;

	assert_int_equal(queue_init(&q, 3), 0);
	assert_false(queue_pop(&q, &ci));
	assert_int_equal(ci, 77);
	assert_int_equal(queue_length(&q), 0);
	for (uint64_t i = 10; i < 13; i++)
		assert_true(queue_push(&q, i));
	assert_false(queue_push(&q, 13));
	assert_int_equal(queue_length(&q), 3);
	for (uint64_t i = 10; i < 13; i++) {
		assert_true(queue_pop(&q, &ci));
		assert_int_equal(ci, i);
	}
	assert_false(queue_pop(&q, &ci));
	queue_fini(&q);
}

static void goes_round_the_ring(void **state _unused_)
{
	struct queue q;
	uint64_t ci, in = 0, out = 0;

	assert_int_equal(queue_init(&q, 5), 0);
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned n = i % 6; n; n--)
			if (queue_push(&q, in))
				in++;
		assert_in_range(queue_length(&q), 0, 5);
		for (unsigned n = i % 4; n && queue_pop(&q, &ci); n--)
			assert_int_equal(ci, out++);
		assert_int_equal(queue_length(&q), in - out);
	}
	queue_fini(&q);
	queue_fini(&q);
}

static void of_one(void **state _unused_)
{
	struct queue q;
	uint64_t ci;

	assert_int_equal(queue_init(&q, 1), 0);
	for (uint64_t i = 0; i < 4; i++) {
		assert_true(queue_push(&q, i));
		assert_false(queue_push(&q, i));
		assert_true(queue_pop(&q, &ci));
		assert_int_equal(ci, i);
	}
	queue_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_first_out),
		cmocka_unit_test(goes_round_the_ring),
		cmocka_unit_test(of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
