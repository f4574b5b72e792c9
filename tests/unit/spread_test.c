/* SPDX-License-Identifier: Apache-2.0 */
/* spread_test.c - which hardware address counts, and whether neighbours are spread evenly */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "source/spread.h"
#include "tests/unit/scratch.h"

static void put(const struct scratch *dir, const char *name, const char *address,
		bool device)
{
	char path[64];

	scratch_mkdir(dir, name);
	snprintf(path, sizeof path, "%s/address", name);
	scratch_write(dir, path, address);
	snprintf(path, sizeof path, "%s/device", name);
	if (device)
		scratch_mkdir(dir, path);
}

static void interface_with_a_device_first(void **state _unused_)
{
	struct scratch dir;

	scratch_new(&dir);
	assert_int_equal(spread_number(dir.path, ""), 0);
	put(&dir, "lo", "00:00:00:00:00:00\n", false);
	assert_int_equal(spread_number(dir.path, ""), 0);
	put(&dir, "br0", "52:54:00:00:00:01\n", false);
	const uint32_t bridge = spread_number(dir.path, "");
	assert_int_equal(bridge, spread_number("/nowhere", "01-52-54-00-00-00-01"));
	put(&dir, "eth1", "52:54:00:00:00:03\n", true);
	put(&dir, "eth0", "52:54:00:00:00:02\n", true);
	assert_int_equal(spread_number(dir.path, ""),
			 spread_number("/nowhere", "52:54:00:00:00:02"));
	assert_int_not_equal(spread_number(dir.path, ""), bridge);
	/* BOOTIF= wins, unless it is none. */
	assert_int_equal(spread_number(dir.path, "01-52-54-00-00-00-01"), bridge);
	assert_int_not_equal(spread_number(dir.path, "eth1"), bridge);
	scratch_free(&dir);
}

static void neighbours_are_spread(void **state _unused_)
{
	unsigned counts[5] = {0};

	for (unsigned i = 0; i < 200; i++) {
		char mac[32];

		snprintf(mac, sizeof mac, "01-52-54-00-12-34-%02x", i);
		counts[spread_number("/nowhere", mac) % 5]++;
	}
	for (unsigned i = 0; i < 5; i++)
		assert_in_range(counts[i], 20, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interface_with_a_device_first),
		cmocka_unit_test(neighbours_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
