/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preflight_test.c - what /proc/meminfo says, and whether an image fits
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/preflight.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static void reads_meminfo(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_parse("MemTotal:       16316412 kB\nMemFree:  1 kB\n"
				      "MemAvailable:    8000000 kB\nBuffers: 2 kB\n",
				      &m),
			 0);
	assert_int_equal(m.total_bytes, UINT64_C(16316412) * 1024);
	assert_int_equal(m.available_bytes, UINT64_C(8000000) * 1024);
}

static void refuses_what_is_not_meminfo(void **state)
{
	struct memory m = {1, 2};

	(void)state;
	assert_int_equal(memory_parse("", &m), -EBADMSG);
	assert_int_equal(memory_parse("MemTotal: 12 kB\n", &m), -EBADMSG);
	assert_int_equal(memory_parse("MemTotal: 12 kB\nMemAvailable: 3\n", &m),
			 -EBADMSG);
	assert_int_equal(memory_parse("XMemTotal: 12 kB\nMemAvailable: 3 kB\n", &m),
			 -EBADMSG);
	assert_int_equal(m.total_bytes, 1);
}

static void reads_this_machine(void **state)
{
	int fd = memory_open();
	struct memory m;

	(void)state;
	assert_true(fd >= 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(memory_read(fd, &m), 0);
		assert_true(m.available_bytes > 0 && m.available_bytes <= m.total_bytes);
	}
	close(fd);
}

static void reserve_has_limits(void **state)
{
	(void)state;
	assert_int_equal(preflight_reserve(0, 512 * MIB), 64 * MIB);
	assert_int_equal(preflight_reserve(0, 20 * GIB), GIB);
	assert_int_equal(preflight_reserve(0, 1024 * GIB), 4 * GIB);
	assert_int_equal(preflight_reserve(MIB, 1024 * GIB), MIB);
}

static struct preflight ask(uint64_t image, uint64_t data, bool is_zram,
			    uint64_t available)
{
	const struct img_info info = {.image_bytes = image, .data_bytes = data};
	const struct memory memory = {.total_bytes = 8 * GIB,
				      .available_bytes = available};
	struct preflight p;

	preflight(&info, is_zram, &memory, 100 * MIB, 0, &p);
	return p;
}

static void the_store_has_a_limit(void **state)
{
	const struct img_info info = {.image_bytes = 4 * GIB, .data_bytes = 1000 * MIB};
	const struct memory memory = {8 * GIB, 8 * GIB};
	struct preflight p;

	(void)state;
	preflight(&info, true, &memory, 0, 1824 * MIB, &p);
	assert_true(p.fits);
	preflight(&info, true, &memory, 0, 1824 * MIB - 1, &p);
	assert_false(p.fits);
	assert_int_equal(p.limit_bytes, 1824 * MIB - 1);
}

static void counts_data_and_tables(void **state)
{
	struct preflight p = ask(4 * GIB, 1000 * MIB, true, 8 * GIB);

	(void)state;
	/* 24 bytes for each 4096, and what zram needs for the data. */
	assert_int_equal(p.need_bytes, 1800 * MIB + 24 * MIB);
	assert_int_equal(p.reserve_bytes, 100 * MIB);
	assert_true(p.fits);
	/* Nothing needs more than the image itself. */
	assert_int_equal(ask(GIB, GIB, true, 8 * GIB).need_bytes, GIB + 6 * MIB);
	assert_int_equal(ask(GIB, GIB, false, 8 * GIB).need_bytes, GIB);
	assert_int_equal(ask(GIB, 100 * MIB, false, 8 * GIB).need_bytes, 400 * MIB);
}

static void fits_to_the_byte(void **state)
{
	const uint64_t enough = 1824 * MIB + 100 * MIB;

	(void)state;
	assert_true(ask(4 * GIB, 1000 * MIB, true, enough).fits);
	assert_false(ask(4 * GIB, 1000 * MIB, true, enough - 1).fits);
	assert_false(ask(4 * GIB, 1000 * MIB, true, 0).fits);
	assert_false(ask(UINT64_C(1) << 50, UINT64_C(1) << 49, true, 8 * GIB).fits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_meminfo),
		cmocka_unit_test(refuses_what_is_not_meminfo),
		cmocka_unit_test(reads_this_machine),
		cmocka_unit_test(reserve_has_limits),
		cmocka_unit_test(counts_data_and_tables),
		cmocka_unit_test(fits_to_the_byte),
		cmocka_unit_test(the_store_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
