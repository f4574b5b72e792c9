/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline_test.c - what is noted stays whole when the resolution halves
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "face/status.h"
#include "face/timeline_json.h"

#define MIB (1024 * 1024)
#define START_MS 1000000

static struct timeline *t;
static struct timeline_counts now;

static int setup(void **state _unused_)
{
	t = timeline_new_shared();
	memset(&now, 0, sizeof now);
	timeline_start(t, START_MS);
	timeline_set_image(t, 64 * MIB);
	return !t;
}

static int teardown(void **state _unused_)
{
	timeline_free(t);
	return 0;
}

static void note(int64_t since_ms)
{
	timeline_note(t, &now, STATE_FILLING, START_MS + since_ms);
}

static uint64_t sum_of_fill(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < t->n; i++)
		sum += t->buckets[i].fill_bytes;
	return sum;
}

/* A look just behind the end of a bucket is about that bucket. */
static void growth_belongs_to_its_bucket(void **state _unused_)
{
	now.demand_bytes = 100;
	now.n_requests = 2;
	note(126);
	now.demand_bytes = 150;
	now.hot_bytes = 7;
	now.wire_bytes = 9;
	note(252);
	assert_int_equal(t->n, 2);
	assert_int_equal(t->buckets[0].demand_bytes, 100);
	assert_int_equal(t->buckets[0].n_requests, 2);
	assert_int_equal(t->buckets[1].demand_bytes, 50);
	assert_int_equal(t->buckets[1].n_requests, 0);
	assert_int_equal(t->buckets[1].hot_bytes, 7);
	assert_int_equal(t->buckets[1].wire_bytes, 9);
	assert_int_equal(t->buckets[1].states, 1u << STATE_FILLING);
	assert_int_equal(t->end_ms, 252);
}

static void nothing_is_lost_when_it_halves(void **state _unused_)
{
	uint64_t n_requests = 0;
	int64_t ms = 0;

	for (unsigned i = 0; i < 100000; i++) {
		ms += 125;
		now.fill_bytes += i;
		now.n_requests += 2;
		note(ms);
		assert_true(t->n <= TIMELINE_BUCKETS);
		assert_true((int64_t)t->n * t->bucket_ms >= ms - t->bucket_ms);
	}
	assert_int_equal(sum_of_fill(), now.fill_bytes);
	for (unsigned i = 0; i < t->n; i++)
		n_requests += t->buckets[i].n_requests;
	assert_int_equal(n_requests, now.n_requests);
	/* As fine as it can be: more than half of the buckets are used. */
	assert_true(t->n > TIMELINE_BUCKETS / 2 - 1);
	assert_int_equal(t->bucket_ms % TIMELINE_FIRST_MS, 0);
}

static void highest_values_and_marks_survive(void **state _unused_)
{
	note(130);
	note(180);
	now.n_waiting = 12;
	histogram_add(&now.waits, INT64_C(2000000000));
	timeline_wanted(t, 63 * MIB + 4096);
	timeline_note(t, &now, STATE_STALLED, START_MS + 200);
	now.n_waiting = 0;
	histogram_add(&now.waits, 5000000);
	note(60000 * 60 * 24);
	assert_int_equal(t->buckets[0].n_waiting_max, 12);
	assert_int_equal(t->buckets[0].wanted, UINT64_C(1) << 63);
	assert_true(t->buckets[0].states & 1u << STATE_STALLED);
	assert_int_equal(t->buckets[0].n_waited, 1);
	assert_true(t->buckets[0].wait_ms_max >= 2000 &&
		    t->buckets[0].wait_ms_max < 2300);
	/* The second wait is no longer than itself, though a longer one came before. */
	assert_true(t->buckets[t->n - 1].wait_ms_max < 6);
	assert_int_equal(t->buckets[t->n - 1].wanted, 0);
}

static void strips_cover_the_image(void **state _unused_)
{
	for (unsigned i = 0; i < 64; i++) {
		timeline_wanted(t, (uint64_t)i * MIB);
		timeline_wanted(t, (uint64_t)(i + 1) * MIB - 4096);
		note(i);
		assert_int_equal(t->buckets[0].wanted,
				 i == 63 ? UINT64_MAX : (UINT64_C(1) << (i + 1)) - 1);
	}
	timeline_wanted(t, 64 * MIB);
	timeline_wanted(t, UINT64_MAX);
	timeline_wanted(NULL, 0);
	timeline_set_image(t, UINT64_C(1) << 60);
	timeline_wanted(t, (UINT64_C(1) << 60) - 4096);
	assert_true(atomic_load(&t->wanted) == UINT64_C(1) << 63);
	/* Smaller than a block a strip. */
	timeline_set_image(t, 8192);
	timeline_wanted(t, 0);
	timeline_wanted(t, 4096);
	assert_true(atomic_load(&t->wanted) ==
		    (UINT64_C(1) << 63 | UINT64_C(1) << 32 | 1));
}

/* A gap is as long as it was, and what was there is there in it. */
static void gaps_keep_what_was_there(void **state _unused_)
{
	timeline_set_resident(t, 3, 1, 2);
	timeline_set_resident(t, 4, 5, 5);
	note(10);
	timeline_set_resident(t, 3, 2, 2);
	note(2000);
	note(3000);
	assert_int_equal(t->n, 2500 / 125 + 1);
	assert_int_equal(t->buckets[5].resident[3], 127);
	assert_int_equal(t->buckets[5].resident[4], 255);
	assert_int_equal(t->buckets[5].states, 0);
	assert_int_equal(t->buckets[t->n - 1].resident[3], 255);
}

/* A new serving process counts from zero. */
static void second_process_goes_on(void **state _unused_)
{
	now.fill_bytes = 1000;
	note(100);
	timeline_start(t, START_MS + 5000);
	now.fill_bytes = 30;
	note(6000);
	assert_int_equal(t->start_ms, START_MS);
	assert_int_equal(sum_of_fill(), 1030);
	timeline_start(t, START_MS + 7000);
	now.fill_bytes = 2000;
	note(8000);
	assert_int_equal(sum_of_fill(), 3030);
	now.fill_bytes = 5;
	note(9000);
	assert_int_equal(sum_of_fill(), 3035);
}

static void ends(void **state _unused_)
{
	note(100);
	assert_int_equal(timeline_due_ms(t, START_MS + 100), 25);
	assert_int_equal(timeline_due_ms(t, START_MS + 125), 125);
	timeline_end(t);
	now.fill_bytes = 1;
	note(500);
	assert_int_equal(t->n, 1);
	assert_int_equal(sum_of_fill(), 0);
	assert_true(timeline_due_ms(t, START_MS + 600) == INT64_MAX);
}

static void json_has_all_columns(void **state _unused_)
{
	static const char *const columns[] = {
		"demand_bytes", "hot_bytes",   "ahead_bytes", "fill_bytes",
		"wire_bytes",	"requests",    "waited",      "states",
		"waiting_max",	"wait_ms_max", "resident",    "wanted",
	};
	cleanup_free char *text = NULL;
	json_t *j;

	timeline_set_resident(t, 0, 1, 1);
	note(10);
	timeline_note(t, &now, STATE_STALLED, START_MS + 90);
	note(300);
	assert_int_equal(timeline_to_json(t, 7.5, &text), 0);
	assert_null(strchr(text, '\n'));
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		assert_int_equal(json_array_size(json_object_get(j, columns[i])), t->n);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(j, "states"), 0)),
		"filling+stalled");
	assert_int_equal(strlen(json_string_value(
				 json_array_get(json_object_get(j, "resident"), 1))),
			 2 * TIMELINE_STRIPS);
	assert_memory_equal(
		json_string_value(json_array_get(json_object_get(j, "resident"), 1)),
		"ff00", 4);
	assert_true(json_real_value(json_object_get(j, "start_seconds")) == 7.5);
	json_decref(j);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(growth_belongs_to_its_bucket),
		TEST(nothing_is_lost_when_it_halves),
		TEST(highest_values_and_marks_survive),
		TEST(strips_cover_the_image),
		TEST(gaps_keep_what_was_there),
		TEST(second_process_goes_on),
		TEST(ends),
		TEST(json_has_all_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
