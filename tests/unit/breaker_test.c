// SPDX-License-Identifier: Apache-2.0
/* breaker_test.c - open, half open, closed, and starting anew with another file */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/breaker.h"

static const struct breaker_delay usual = {.cap_ms = BREAKER_CAP_MS};

static void opens_and_closes(void **state _unused_)
{
	struct breaker b = {.state = SERVER_UNUSED};
	uint32_t epoch = breaker_sent(&b);

	assert_true(breaker_failed(&b, epoch, 1000, &usual));
	assert_false(breaker_failed(&b, epoch, 1000, &usual));
	assert_false(breaker_may_send(&b, 1000));
	assert_true(breaker_may_send(&b, b.next_try_ms));
	epoch = breaker_sent(&b);
	assert_false(breaker_may_send(&b, b.next_try_ms));
	assert_true(breaker_succeeded(&b, epoch));
	assert_true(breaker_is_closed(&b));
}

static void refused_is_looked_at_again(void **state _unused_)
{
	struct breaker b = {.state = SERVER_OK};

	breaker_refuse(&b, 1000);
	assert_int_equal(b.state, SERVER_REFUSED);
	assert_false(breaker_may_send(&b, 1000 + BREAKER_REFUSED_MS - 1));
	assert_true(breaker_may_send(&b, 1000 + BREAKER_REFUSED_MS));
}

static void renewed_forgets_what_is_under_way(void **state _unused_)
{
	struct breaker b = {.state = SERVER_OK};
	const uint32_t epoch = breaker_sent(&b);

	breaker_renew(&b);
	assert_false(breaker_failed(&b, epoch, 1000, &usual));
	assert_true(breaker_may_send(&b, 0));
	/* The probe that found the file replaced is followed by another at once. */
	breaker_refuse(&b, 1000);
	breaker_sent(&b);
	breaker_renew(&b);
	assert_true(breaker_may_send(&b, 0));
	assert_false(breaker_is_closed(&b));
	assert_true(breaker_succeeded(&b, breaker_sent(&b)));
}

/* Who waits for it shortens the wait, but not what the server has asked for. */
static void awaited_is_tried_sooner(void **state _unused_)
{
	struct breaker_delay delay = {.cap_ms = BREAKER_CAP_MS, .random = 1999};
	struct breaker b = {.state = SERVER_OK, .n_failures = 9};

	assert_true(breaker_failed(&b, breaker_sent(&b), 1000, &delay));
	assert_int_equal(b.next_try_ms, 3000);
	breaker_awaited(&b, 1100, 299);
	assert_int_equal(b.next_try_ms, 1400);
	breaker_awaited(&b, 1100, 499);
	assert_int_equal(b.next_try_ms, 1400);
	delay.retry_after_ms = 7000;
	assert_true(breaker_failed(&b, breaker_sent(&b), 1400, &delay));
	breaker_awaited(&b, 1500, 0);
	assert_int_equal(b.next_try_ms, 8400);
	breaker_refuse(&b, 9000);
	breaker_awaited(&b, 9000, 0);
	assert_int_equal(b.next_try_ms, 9000 + BREAKER_REFUSED_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_and_closes),
		cmocka_unit_test(refused_is_looked_at_again),
		cmocka_unit_test(renewed_forgets_what_is_under_way),
		cmocka_unit_test(awaited_is_tried_sooner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
