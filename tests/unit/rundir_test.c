/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir_test.c - names, making and removing the directory of an attachment
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/rundir.h"

static char top[32], run[64];

static int setup(void **state _unused_)
{
	snprintf(top, sizeof top, "/tmp/hydroot-XXXXXX");
	if (!mkdtemp(top))
		return 1;
	snprintf(run, sizeof run, "%s/a/b", top);
	return setenv("HYDROOT_RUN_DIR", run, 1);
}

static int teardown(void **state _unused_)
{
	char path[64];

	(void)rmdir(run);
	snprintf(path, sizeof path, "%s/a", top);
	(void)rmdir(path);
	return rmdir(top);
}

static void names_are_checked(void **state _unused_)
{
	char name[70];

	memset(name, 'n', sizeof name);
	name[63] = '\0';
	assert_true(rundir_name_is_valid(name));
	name[63] = 'n';
	name[64] = '\0';
	assert_false(rundir_name_is_valid(name));
	assert_true(rundir_name_is_valid("Root-1_x"));
	assert_false(rundir_name_is_valid(""));
	assert_false(rundir_name_is_valid("-x"));
	assert_false(rundir_name_is_valid("."));
	assert_false(rundir_name_is_valid(".."));
	assert_false(rundir_name_is_valid("a/b"));
	assert_false(rundir_name_is_valid("a b"));
	assert_false(rundir_name_is_valid("\xc3\xa9"));
	assert_int_equal(rundir_create("../x"), -EINVAL);
	assert_int_equal(rundir_open("../x"), -EINVAL);
	assert_int_equal(rundir_remove("../x"), -EINVAL);
}

static void made_with_parents_and_removed(void **state _unused_)
{
	cleanup_fd int fd = rundir_create("one");
	cleanup_fd int again = rundir_create("one");
	cleanup_fd int opened = rundir_open("one");
	struct stat st;

	assert_true(fd >= 0 && again >= 0 && opened >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	close(openat(fd, "status.json", O_WRONLY | O_CREAT, 0600));
	close(openat(fd, "log", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(rundir_remove("one"), 0);
	assert_int_equal(rundir_open("one"), -ENOENT);
	assert_int_equal(rundir_remove("one"), -ENOENT);
}

static void foreign_files_stay(void **state _unused_)
{
	cleanup_fd int fd = rundir_create("two");

	close(openat(fd, "mine", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(rundir_remove("two"), -ENOTEMPTY);
	assert_int_equal(faccessat(fd, "mine", F_OK, 0), 0);
	assert_int_equal(unlinkat(fd, "mine", 0), 0);
	assert_int_equal(rundir_remove("two"), 0);
}

static void links_are_not_followed(void **state _unused_)
{
	cleanup_fd int fd = rundir_create("three");
	char path[128];

	snprintf(path, sizeof path, "%s/four", run);
	assert_int_equal(symlink("three", path), 0);
	assert_true(rundir_open("four") < 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rundir_remove("three"), 0);
}

static void names_are_listed(void **state _unused_)
{
	cleanup_fd int b = rundir_create("b"), a = rundir_create("a");
	cleanup_free char **names = NULL, **none = NULL;

	rundir_part_add("zram7", 0);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(rundir_names(&names), 2);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "b");
	rundir_part_remove("zram7", 0);
	assert_int_equal(rundir_remove("a"), 0);
	assert_int_equal(rundir_remove("b"), 0);
	assert_int_equal(rmdir(run), 0);
	assert_int_equal(rundir_names(&none), 0);
	assert_int_equal(mkdir(run, 0755), 0);
}

static bool is_marked(const char *kernel_name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/.devices/%s", run, kernel_name);
	return access(path, F_OK) == 0;
}

static void parts_are_marked_and_unmarked(void **state _unused_)
{
	rundir_part_add("zram7", 0);
	rundir_part_add("zram7", 0);
	assert_true(is_marked("zram7"));
	rundir_part_remove("zram7", 0);
	assert_false(is_marked("zram7"));
	rundir_part_remove("zram7", 0);
}

static void a_mark_of_a_later_device_stays(void **state _unused_)
{
	rundir_part_add("zram7", 41);
	rundir_part_add("zram7", 42);
	rundir_part_remove("zram7", 41);
	assert_true(is_marked("zram7"));
	rundir_part_remove("zram7", 42);
	assert_false(is_marked("zram7"));
	rundir_part_remove("zram7", 42);
}

static void removal_is_seen_without_a_path(void **state _unused_)
{
	char path[96];

	snprintf(path, sizeof path, "%s/.mounting", run);
	assert_int_equal(rundir_open_mounting(), -ENOENT);
	cleanup_fd int made = rundir_create("five");
	close(open(path, O_WRONLY | O_CREAT, 0600));
	cleanup_fd int fd = rundir_open_mounting();
	assert_true(made >= 0 && fd >= 0);
	assert_false(rundir_is_removed(fd));
	assert_int_equal(unlink(path), 0);
	assert_true(rundir_is_removed(fd));
	assert_int_equal(rundir_remove("five"), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(names_are_checked),
		TEST(made_with_parents_and_removed),
		TEST(foreign_files_stay),
		TEST(links_are_not_followed),
		TEST(names_are_listed),
		TEST(parts_are_marked_and_unmarked),
		TEST(a_mark_of_a_later_device_stays),
		TEST(removal_is_seen_without_a_path),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
