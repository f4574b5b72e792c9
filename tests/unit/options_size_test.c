/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_size_test.c - sizes, rates and times: what is taken, what is refused
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/options.h"

static uint64_t size_of(const char *text)
{
	uint64_t n = 0;

	assert_int_equal(options_size(text, &n), 0);
	return n;
}

static uint64_t rate_of(const char *text)
{
	uint64_t n = 0;

	assert_int_equal(options_rate(text, &n), 0);
	return n;
}

static int64_t time_of(const char *text)
{
	int64_t ms = 0;

	assert_int_equal(options_time(text, &ms), 0);
	return ms;
}

static void sizes_take_units(void **state _unused_)
{
	assert_int_equal(size_of("0"), 0);
	assert_int_equal(size_of("1234"), 1234);
	assert_int_equal(size_of("512K"), 512 * 1024);
	assert_int_equal(size_of("512k"), 512 * 1024);
	assert_int_equal(size_of("3M"), 3 << 20);
	assert_int_equal(size_of("2G"), 2ull << 30);
	assert_int_equal(size_of("16777215T"), 16777215ull << 40);
	assert_int_equal(size_of("18446744073709551615"), UINT64_MAX);
}

static void sizes_refuse_the_rest(void **state _unused_)
{
	static const char *const wrong[] = {
		"",
		"K",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1 K",
		"1KB",
		"1.5G",
		"0x10",
		"1KK",
		"ten",
		"50%",
		"1e3",
		"1\n",
		"1,0",
		"18446744073709551616",
		"16777216T",
		"99999999999999999999999999",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint64_t n = 42;

		assert_true(options_size(wrong[i], &n) < 0);
		assert_int_equal(n, 42);
	}
}

static void memory_takes_percent(void **state _unused_)
{
	uint64_t all, half, n = 42;

	assert_int_equal(options_memory("100%", &all), 0);
	assert_int_equal(options_memory("50%", &half), 0);
	assert_true(all > 0);
	assert_true(half <= all / 2 && half >= all / 2 - 1);
	assert_int_equal(options_memory("0%", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(options_memory("1G", &n), 0);
	assert_int_equal(n, 1 << 30);
	assert_true(options_memory("101%", &n) < 0);
	assert_true(options_memory("%", &n) < 0);
	assert_true(options_memory("5%%", &n) < 0);
	assert_true(options_memory("1K%", &n) < 0);
}

static void rates_take_bits(void **state _unused_)
{
	uint64_t n = 42;

	assert_int_equal(rate_of("0"), 0);
	assert_int_equal(rate_of("20M"), 20 << 20);
	assert_int_equal(rate_of("10Mbit"), 1250000);
	assert_int_equal(rate_of("10mbit"), 1250000);
	assert_int_equal(rate_of("1Gbit"), 125000000);
	assert_int_equal(rate_of("100Kbit"), 12500);
	assert_int_equal(rate_of("1bit"), 1);
	assert_true(options_rate("10Mbits", &n) < 0);
	assert_true(options_rate("Mbit", &n) < 0);
	assert_true(options_rate("18446744073709551615Gbit", &n) < 0);
	assert_int_equal(n, 42);
}

static void times_take_units(void **state _unused_)
{
	int64_t ms = 42;

	assert_int_equal(time_of("0"), 0);
	assert_int_equal(time_of("7"), 7000);
	assert_int_equal(time_of("7s"), 7000);
	assert_int_equal(time_of("250ms"), 250);
	assert_int_equal(time_of("5m"), 300000);
	assert_int_equal(time_of("2h"), 7200000);
	assert_true(options_time("1d", &ms) < 0);
	assert_true(options_time("", &ms) < 0);
	assert_true(options_time("-5s", &ms) < 0);
	assert_true(options_time("9223372036854775808ms", &ms) < 0);
	assert_true(options_time("18446744073709551615h", &ms) < 0);
	assert_int_equal(ms, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_take_units),
		cmocka_unit_test(sizes_refuse_the_rest),
		cmocka_unit_test(memory_takes_percent),
		cmocka_unit_test(rates_take_bits),
		cmocka_unit_test(times_take_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
