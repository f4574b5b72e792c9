// SPDX-License-Identifier: Apache-2.0
/* numa_test.c - which nodes have memory, as sysfs says it */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/numa.h"

static void lists(void **state _unused_)
{
	struct numa_nodes nodes;

	assert_int_equal(numa_parse("0\n", &nodes), 0);
	assert_int_equal(nodes.n, 1);
	assert_int_equal(nodes.mask[0], 1);
	assert_int_equal(numa_parse("0-1,3\n", &nodes), 0);
	assert_int_equal(nodes.n, 3);
	assert_int_equal(nodes.mask[0], 0xb);
	assert_int_equal(numa_parse("63-64", &nodes), 0);
	assert_int_equal(nodes.n, 2);
	assert_int_equal(nodes.mask[0], 1ul << 63);
	assert_int_equal(nodes.mask[1], 1);
	assert_int_equal(numa_parse("2,2,1-2", &nodes), 0);
	assert_int_equal(nodes.n, 2);
	assert_int_equal(numa_parse("\n", &nodes), 0);
	assert_int_equal(nodes.n, 0);
}

static void nonsense(void **state _unused_)
{
	static const char *const wrong[] = {
		"x",   "0-", "1-0", "0,,1", "-1", "1024", "0-99999999999999999999",
		"0 1", "0;1"};
	struct numa_nodes nodes;

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(numa_parse(wrong[i], &nodes), -EINVAL);
		assert_int_equal(nodes.n, 0);
	}
}

static void a_machine_of_two_nodes(void **state _unused_)
{
	char dir[] = "/tmp/hydroot-numa-XXXXXX", file[64];
	struct numa_nodes nodes;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/has_memory", dir);
	numa_read(dir, &nodes);
	assert_int_equal(nodes.n, 0);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "0,2\n", 4), 4);
	close(fd);
	numa_read(dir, &nodes);
	assert_int_equal(nodes.n, 2);
	assert_int_equal(nodes.mask[0], 5);
	unlink(file);
	rmdir(dir);
	/* Whatever this machine has: no harm. */
	numa_interleave_thread();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(a_machine_of_two_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
