// SPDX-License-Identifier: Apache-2.0
/* fill_test.c - the rate cap over a made-up clock, and how large requests are */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/fill.h"

/* Send requests of n_bytes whenever they may be sent; how many bytes in `seconds`. */
static uint64_t run(struct fill *f, int64_t seconds, uint32_t n_bytes)
{
	uint64_t sent = 0;

	for (int64_t now = 1000; now < 1000 + seconds * 1000;) {
		int64_t delay = fill_delay_ms(f, now);

		assert_true(delay >= 0);
		if (delay == 0) {
			fill_sent(f, n_bytes, now);
			sent += n_bytes;
			continue;
		}
		now += delay;
	}
	return sent;
}

static void no_limit(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 0, 1000);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(fill_delay_ms(&f, 1000), 0);
		fill_sent(&f, 2u << 20, 1000);
	}
}

/* Within a twentieth, and one request more at the end. */
static void keeps_the_rate(void **state _unused_)
{
	const uint64_t rates[] = {1000,	   4096,      100000,	  1000000,
				  3125000, 125000000, 10000000000};
	const uint32_t sizes[] = {5000, 256 * 1024, 2 * 1024 * 1024};

	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
			/* At least 200 requests. */
			int64_t seconds = (int64_t)(200 * sizes[k] / rates[i]) + 10;
			uint64_t due = rates[i] * (uint64_t)seconds, sent;
			struct fill f;

			fill_init(&f, rates[i], 1000);
			if (rates[i] * 10 / sizes[k] > 100000)
				continue;
			sent = run(&f, seconds, sizes[k]);
			assert_in_range(sent, due - due / 20,
					due + due / 20 + sizes[k] + rates[i] / 4);
		}
}

static void saves_up_a_quarter_second_only(void **state _unused_)
{
	struct fill f;
	uint64_t sent = 0;

	fill_init(&f, 1000000, 1000);
	for (; fill_delay_ms(&f, 3600000) == 0; sent += 10000)
		fill_sent(&f, 10000, 3600000);
	assert_in_range(sent, 250000, 270000);
}

/* At a low rate, being asked every millisecond must not eat what has been gained. */
static void asked_all_the_time(void **state _unused_)
{
	struct fill f;
	uint64_t sent = 0;

	fill_init(&f, 10000, 0);
	for (int64_t now = 0; now < 100000; now++)
		if (fill_delay_ms(&f, now) == 0) {
			fill_sent(&f, 5000, now);
			sent += 5000;
		}
	assert_in_range(sent, 950000, 1055000);
}

/* Slower than a byte a millisecond. */
static void a_byte_now_and_then(void **state _unused_)
{
	struct fill f;
	int64_t now = 0;

	fill_init(&f, 3, 0);
	while (fill_delay_ms(&f, now) > 0 && now < 5000)
		now++;
	assert_in_range(now, 300, 400);
	fill_sent(&f, 300, now);
	assert_in_range(fill_delay_ms(&f, now), 90000, 110000);
}

static void a_pause_of_a_year(void **state _unused_)
{
	struct fill f;

	fill_init(&f, UINT64_C(20000000000), 0);
	assert_int_equal(fill_delay_ms(&f, INT64_C(365) * 86400 * 1000), 0);
	fill_sent(&f, 1u << 20, INT64_C(365) * 86400 * 1000);
	assert_int_equal(fill_delay_ms(&f, INT64_C(3650) * 86400 * 1000), 0);
}

static void request_size_follows_the_line(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 0, 0);
	assert_int_equal(fill_request_bytes(&f, 10000), FILL_REQUEST_BYTES_MIN);
	fill_received(&f, 1000000, 200);
	assert_int_equal(fill_request_bytes(&f, 10000), FILL_REQUEST_BYTES_MIN);
	fill_received(&f, 1000000, 1000);
	assert_int_equal(fill_request_bytes(&f, 10000), 1000000);
	fill_received(&f, 100000000, 2000);
	assert_int_equal(fill_request_bytes(&f, 10000), FILL_REQUEST_BYTES_MAX);
}

/* One window with few bytes may mean that few were asked for; many mean that the line is slow. */
static void a_slower_line_is_noticed(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 0, 0);
	fill_received(&f, 2000000, 1000);
	fill_received(&f, 1000, 2000);
	assert_int_equal(fill_request_bytes(&f, 10000), 875000);
	for (int64_t now = 3000; now < 30000; now += 1000)
		fill_received(&f, 1000, now);
	assert_int_equal(fill_request_bytes(&f, 40000), FILL_REQUEST_BYTES_MIN);
}

static void request_size_follows_the_cap(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 1200000, 0);
	assert_int_equal(fill_request_bytes(&f, 10000), 600000);
	fill_received(&f, 100000000, 1000);
	assert_int_equal(fill_request_bytes(&f, 10000), 600000);
	fill_init(&f, 10, 0);
	assert_int_equal(fill_request_bytes(&f, 10000), FILL_REQUEST_BYTES_MIN);
}

static void request_size_grows_with_silence(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 0, 0);
	fill_received(&f, 3000000, 1000);
	fill_demand(&f, 5000);
	assert_int_equal(fill_request_bytes(&f, 5000), FILL_REQUEST_BYTES_MIN);
	assert_int_equal(fill_request_bytes(&f, 5000 + FILL_YIELD_MS),
			 FILL_REQUEST_BYTES_MIN);
	assert_int_equal(fill_request_bytes(&f, 6000), 750000);
	assert_int_equal(fill_request_bytes(&f, 60000), 1500000);
}

/* How many bytes the fill gets in ten seconds when a read is fetched for every `gap_ms`. */
static uint64_t beside_demand(int64_t gap_ms)
{
	uint64_t sent = 0;
	struct fill f;

	fill_init(&f, 0, 0);
	fill_received(&f, 1000000, 1000);
	fill_demand(&f, 1000);
	for (int64_t now = 1000; now < 11000; now++) {
		if (now % gap_ms == 0)
			fill_demand(&f, now);
		/* The line carries a megabyte a second. */
		while (fill_delay_ms(&f, now) == 0 &&
		       sent < (uint64_t)(now - 999) * 1000) {
			uint32_t n = fill_request_bytes(&f, now);

			fill_sent(&f, n, now);
			sent += n;
		}
	}
	return sent;
}

static void stands_back_while_reads_wait(void **state _unused_)
{
	/* An eighth of ten megabytes, and a request or two. */
	assert_in_range(beside_demand(50), 1000000, 2000000);
	assert_in_range(beside_demand(FILL_YIELD_MS - 1), 1000000, 2000000);
	assert_true(beside_demand(5000) > 8000000);
}

static void says_when_to_ask_again(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 0, 0);
	fill_received(&f, 1000000, 1000);
	fill_demand(&f, 2000);
	assert_int_equal(fill_delay_ms(&f, 2000), 0);
	fill_sent(&f, 250000, 2000);
	/* Its share is used up for two seconds, but the silence is over before. */
	assert_int_equal(fill_delay_ms(&f, 2000), FILL_YIELD_MS);
	assert_int_equal(fill_delay_ms(&f, 2100), FILL_YIELD_MS - 100);
	assert_int_equal(fill_delay_ms(&f, 2000 + FILL_YIELD_MS), 0);
	fill_demand(&f, 3990);
	assert_int_equal(fill_delay_ms(&f, 3990), 10);
}

/* Until the line is known the least, then twice what it carries in a round trip, to a limit. */
static void ahead_follows_the_line(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 0, 0);
	assert_int_equal(fill_ahead_bytes(&f), FILL_AHEAD_BYTES_MIN);
	assert_int_equal(fill_gap_bytes(&f), 0);
	fill_answered(&f, 50);
	fill_received(&f, 12500000, 1000);
	assert_int_equal(fill_ahead_bytes(&f), 12500000 / 1000 * 120);
	assert_int_equal(fill_gap_bytes(&f), 128 * 1024);
	fill_received(&f, 125000000, 2000);
	assert_int_equal(fill_ahead_bytes(&f), FILL_AHEAD_BYTES_MAX);
	fill_init(&f, 0, 0);
	fill_answered(&f, 50);
	fill_received(&f, 1000000, 1000);
	assert_int_equal(fill_ahead_bytes(&f), FILL_AHEAD_BYTES_MIN);
	assert_int_equal(fill_gap_bytes(&f), 25000);
}

/*
 * Answers that stood in line do not make the line look long; a line that became longer is
 * noticed.
 */
static void the_shortest_answer_counts(void **state _unused_)
{
	struct fill f;

	fill_init(&f, 0, 0);
	fill_answered(&f, 40);
	fill_answered(&f, 400);
	assert_in_range(f.rtt_ms, 40, 60);
	fill_answered(&f, 30);
	assert_int_equal(f.rtt_ms, 30);
	for (unsigned i = 0; i < 300; i++)
		fill_answered(&f, 200);
	assert_in_range(f.rtt_ms, 190, 200);
}

static void another_rate(void **state _unused_)
{
	struct fill f;
	uint64_t sent;

	fill_init(&f, 0, 1000);
	fill_set_rate(&f, 100000, 1000);
	sent = run(&f, 100, 20000);
	assert_in_range(sent, 9500000, 10500000);
	/* A large debt under the old one is forgotten. */
	fill_sent(&f, 100000000, 200000);
	fill_set_rate(&f, 1000, 200000);
	assert_in_range(fill_delay_ms(&f, 200000), 1, 20);
	fill_set_rate(&f, 0, 200000);
	assert_int_equal(fill_delay_ms(&f, 200000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit),
		cmocka_unit_test(keeps_the_rate),
		cmocka_unit_test(saves_up_a_quarter_second_only),
		cmocka_unit_test(asked_all_the_time),
		cmocka_unit_test(a_byte_now_and_then),
		cmocka_unit_test(a_pause_of_a_year),
		cmocka_unit_test(request_size_follows_the_line),
		cmocka_unit_test(a_slower_line_is_noticed),
		cmocka_unit_test(request_size_follows_the_cap),
		cmocka_unit_test(request_size_grows_with_silence),
		cmocka_unit_test(stands_back_while_reads_wait),
		cmocka_unit_test(says_when_to_ask_again),
		cmocka_unit_test(ahead_follows_the_line),
		cmocka_unit_test(the_shortest_answer_counts),
		cmocka_unit_test(another_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
