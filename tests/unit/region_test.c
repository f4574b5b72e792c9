// SPDX-License-Identifier: Apache-2.0
/* region_test.c - areas that another process finds again, and descriptors that somebody holds */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "base/hold.h"
#include "base/region.h"

/* Run in another process, as a serving process would be; its exit code is the answer. */
static int in_child(int (*body)(void *ctx), void *ctx)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(body(ctx));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int fill(void *ctx)
{
	struct region *r = ctx;
	void *a, *b;

	if (region_area(r, REGION_SERVE, 100, &a) < 0 ||
	    region_area(r, REGION_CHUNKMAP, 10 * 4096 + 1, &b) < 0 ||
	    region_put(r, REGION_IMAGE_META, "meta", 4) < 0)
		return 1;
	memset(a, 'a', 100);
	memset(b, 'b', 10 * 4096 + 1);
	return 0;
}

static void another_process_finds_it(void **state _unused_)
{
	struct region *r = region_new();
	uint8_t *a, *b;
	void *meta;
	size_t n;

	assert_non_null(r);
	assert_int_equal(in_child(fill, r), 0);
	assert_int_equal(region_area(r, REGION_CHUNKMAP, 10 * 4096 + 1, (void **)&b), 0);
	assert_int_equal(region_area(r, REGION_SERVE, 100, (void **)&a), 0);
	assert_int_equal(region_find(r, REGION_IMAGE_META, &meta, &n), 0);
	assert_int_equal(n, 4);
	assert_memory_equal(meta, "meta", 4);
	assert_true(a[0] == 'a' && a[99] == 'a' && a[100] == 0);
	assert_true(b[0] == 'b' && b[10 * 4096] == 'b');
	assert_int_equal((uintptr_t)a % 4096 + (uintptr_t)b % 4096, 0);
	region_free(r);
}

static void new_areas_are_zeros_and_sizes_are_checked(void **state _unused_)
{
	struct region *r = region_new();
	uint8_t *p, *q;
	void *other;
	size_t n;

	assert_int_equal(region_find(r, REGION_TRACE, &other, &n), -ENOENT);
	assert_int_equal(region_area(r, REGION_TRACE, 8192, (void **)&p), 0);
	for (unsigned i = 0; i < 8192; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(region_area(r, REGION_TRACE, 8192, (void **)&q), 0);
	assert_ptr_equal(p, q);
	assert_int_equal(region_area(r, REGION_TRACE, 4096, &other), -EBADMSG);
	assert_int_equal(region_area(r, REGION_SERVE, 0, &other), -EINVAL);
	/* What is there stays: a second put is one of the same image. */
	assert_int_equal(region_put(r, REGION_TRACE, "x", 1), 0);
	assert_int_equal(p[0], 0);
	region_free(r);
	region_free(NULL);
}

static void table_has_an_end(void **state _unused_)
{
	struct region *r = region_new();
	void *p;

	for (unsigned i = 0; i < REGION_AREAS_MAX; i++)
		assert_int_equal(region_area(r, (enum region_tag)(i + 1), 1, &p), 0);
	assert_int_equal(region_area(r, (enum region_tag)1000, 1, &p), -ENOSPC);
	region_free(r);
}

static void touching_changes_nothing(void **state _unused_)
{
	struct region *r = region_new();
	uint8_t *p;

	assert_int_equal(region_area(r, REGION_UNDERWAY, 3 * 4096, (void **)&p), 0);
	p[4096] = 7;
	region_touch(p, 3 * 4096);
	assert_true(p[0] == 0 && p[4096] == 7 && p[8192] == 0);
	region_free(r);
}

/* -- descriptors -------------------------------------------------------------------------- */

static int put_a_pipe(void *ctx)
{
	struct hold *h = ctx;
	int fds[2];

	hold_child(h);
	if (pipe(fds) < 0 || write(fds[1], "x", 1) != 1)
		return 1;
	hold_put(h, HOLD_LOOP, fds[0]);
	hold_put(h, HOLD_STORE, fds[1]);
	return 0;
}

static int take_the_pipe(void *ctx)
{
	struct hold *h = ctx;
	char c = 0;
	int fd = hold_take(h, HOLD_LOOP);

	if (fd < 0 || read(fd, &c, 1) != 1 || c != 'x')
		return 1;
	/* Once: it is the caller's now. */
	return hold_take(h, HOLD_LOOP) == -1 && hold_take(h, HOLD_CONTROL) == -1 ? 0 : 2;
}

static int drop_loop(void *ctx)
{
	hold_drop(ctx, HOLD_LOOP);
	return 0;
}

static int end_all(void *ctx)
{
	hold_end(ctx);
	return 0;
}

static void descriptors_outlive_their_process(void **state _unused_)
{
	struct hold *h = hold_new();

	assert_non_null(h);
	assert_int_equal(in_child(put_a_pipe, h), 0);
	hold_receive(h);
	assert_int_equal(in_child(take_the_pipe, h), 0);
	assert_int_equal(in_child(drop_loop, h), 0);
	hold_receive(h);
	assert_int_equal(in_child(take_the_pipe, h), 1);
	assert_false(hold_has_ended(h));
	assert_int_equal(in_child(end_all, h), 0);
	hold_receive(h);
	assert_true(hold_has_ended(h));
	/* Too late. */
	assert_int_equal(in_child(put_a_pipe, h), 0);
	hold_receive(h);
	assert_int_equal(in_child(take_the_pipe, h), 1);
	assert_int_equal(hold_take(NULL, HOLD_LOOP), -1);
	hold_put(NULL, HOLD_LOOP, 0);
	hold_drop(NULL, HOLD_LOOP);
	hold_end(NULL);
	hold_free(h);
}

static void no_descriptor_leaks(void **state _unused_)
{
	struct hold *h = hold_new();
	int before, after;

	hold_set(h, HOLD_LOOP, open("/dev/null", O_RDONLY | O_CLOEXEC));
	hold_set(h, HOLD_STORE, -ENODEV); /* is not there */
	hold_set(h, HOLD_LOOP, -1);
	before = dup(0);
	close(before);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(in_child(put_a_pipe, h), 0);
		hold_receive(h);
	}
	hold_set(h, HOLD_LOOP, -1);
	hold_set(h, HOLD_STORE, -1);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	hold_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_process_finds_it),
		cmocka_unit_test(new_areas_are_zeros_and_sizes_are_checked),
		cmocka_unit_test(table_has_an_end),
		cmocka_unit_test(touching_changes_nothing),
		cmocka_unit_test(descriptors_outlive_their_process),
		cmocka_unit_test(no_descriptor_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
