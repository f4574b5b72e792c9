// SPDX-License-Identifier: Apache-2.0
/* oldest_test.c - of many chunks those that were used least recently, in their order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/oldest.h"
#include "map/chunkmap_internal.h"

#define N 5000u
#define CHUNK 65536u

static struct oldest o;

static void keeps_the_oldest(void **state _unused_)
{
	struct chunk_age age;

	oldest_clear(&o);
	/* 2003 has no common factor with 5000: each stamp once. */
	for (uint32_t i = 0; i < N; i++) {
		age = (struct chunk_age){.ci = i,
					 .stamp = (uint32_t)(i * UINT64_C(2003) % N)};
		oldest_add(&o, &age);
	}
	oldest_sort(&o);
	for (uint32_t i = 0; i < OLDEST_MAX; i++) {
		assert_true(oldest_take(&o, &age));
		assert_int_equal(age.stamp, i);
		assert_int_equal(age.ci * 2003 % N, i);
	}
	assert_false(oldest_take(&o, &age));
}

static void few_and_none(void **state _unused_)
{
	struct chunk_age age = {7, 5};

	oldest_clear(&o);
	oldest_sort(&o);
	assert_false(oldest_take(&o, &age));
	oldest_add(&o, &age);
	age.stamp = 3;
	oldest_add(&o, &age);
	oldest_add(&o, &age);
	oldest_sort(&o);
	assert_true(oldest_take(&o, &age) && age.stamp == 3);
	assert_true(oldest_take(&o, &age) && age.stamp == 3);
	assert_true(oldest_take(&o, &age) && age.stamp == 5);
	assert_false(oldest_take(&o, &age));
}

static void no_wake(void *ctx _unused_)
{
}

static void bring(struct chunkmap *cm, uint64_t ci)
{
	uint8_t valid[2];

	assert_true(chunkmap_claim(cm, ci));
	chunkmap_store_begin(cm, ci, valid);
	assert_null(chunkmap_store_end(cm, ci, true));
}

static void use(struct chunkmap *cm, uint64_t ci)
{
	struct chunk_reader r;

	assert_true(chunkmap_read_begin(cm, &r, ci * CHUNK, 4096));
	chunkmap_read_end(cm, &r);
}

static void expect_order(struct chunkmap *cm, const uint64_t *want, unsigned n)
{
	struct chunk_age ages[16], age;
	uint64_t from = 0;
	unsigned got;

	oldest_clear(&o);
	assert_false(chunkmap_ages(cm, &from, ages, 16, &got));
	for (unsigned i = 0; i < got; i++)
		oldest_add(&o, &ages[i]);
	oldest_sort(&o);
	for (unsigned i = 0; i < n; i++) {
		assert_true(oldest_take(&o, &age));
		assert_int_equal(age.ci, want[i]);
	}
	assert_false(oldest_take(&o, &age));
}

/* Coming, reading and writing count as use, also beyond the end of the clock. */
static void order_of_use(void **state _unused_)
{
	struct chunk_writer w;
	struct chunkmap *cm;

	assert_int_equal(chunkmap_new(8 * CHUNK, CHUNK, no_wake, NULL, &cm), 0);
	for (uint64_t ci = 0; ci < 6; ci++)
		bring(cm, ci);
	expect_order(cm, (uint64_t[]){0, 1, 2, 3, 4, 5}, 6);
	use(cm, 2);
	use(cm, 0);
	use(cm, 0);
	expect_order(cm, (uint64_t[]){1, 3, 4, 5, 2, 0}, 6);
	chunkmap_write_begin(cm, &w, 3 * CHUNK, 4096);
	assert_null(chunkmap_write_end(cm, &w, true));
	expect_order(cm, (uint64_t[]){1, 4, 5, 2, 0, 3}, 6);
	assert_null(chunkmap_mark_zero(cm, 7));
	expect_order(cm, (uint64_t[]){1, 4, 5, 2, 0, 3}, 6);
	cm->clock = UINT32_MAX - 3;
	for (unsigned i = 0; i < 6; i++)
		cm->stamps[i] = cm->clock - 1000 + 2 * cm->stamps[i];
	use(cm, 4);
	use(cm, 0);
	use(cm, 1);
	use(cm, 5);
	use(cm, 0);
	assert_true(cm->clock < UINT32_MAX / 2 + 10);
	expect_order(cm, (uint64_t[]){2, 3, 4, 1, 5, 0}, 6);
	chunkmap_free(cm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_oldest),
		cmocka_unit_test(few_and_none),
		cmocka_unit_test(order_of_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
