/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_memory_test.c - verify when memory is short or a library fails: one allocation after the
 * other fails, those of libcrypto and zstd too, and it is never the image that is blamed
 *
 * malloc and its like are replaced for the whole program, which a sanitizer does as well.  Jansson
 * has its own: it frees what it never had when memory is short in the middle of an object.
 */
#include "tests/unit/img_fixture.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "imgfmt/tool/hot_check.c"
#include "imgfmt/tool/hot_table.c"
#include "imgfmt/tool/http.c"
#include "imgfmt/tool/image_file.c"
#include "imgfmt/tool/progress.c"
#include "imgfmt/tool/ring.c"
#include "imgfmt/tool/tool.c"
#include "imgfmt/tool/verify.c"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

/* How many more succeed; negative: all.  Then one fails, or all that follow. */
static atomic_long n_left = -1;
static atomic_bool all_fail;
static atomic_long n_failed;

static bool must_fail(void)
{
	long n = atomic_load(&n_left);

	if (n < 0)
		return false;
	if (n > 0) {
		atomic_fetch_sub(&n_left, 1);
		return false;
	}
	if (!atomic_load(&all_fail))
		atomic_store(&n_left, -1);
	atomic_fetch_add(&n_failed, 1);
	return true;
}

void *malloc(size_t n)
{
	return must_fail() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return must_fail() ? NULL : __libc_realloc(p, n);
}

static struct fixture f;
static char path[64];
static int file_fd, said_fd, saved_stderr;

static int setup(void **state _unused_)
{
	char said[64];

	f = fixture_small();
	file_fd = memfd_create("image", 0);
	said_fd = memfd_create("said", 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file_fd);
	snprintf(said, sizeof said, "/proc/self/fd/%d", said_fd);
	assert_int_equal(pwrite(file_fd, f.file, f.n_bytes, 0), f.n_bytes);
	saved_stderr = dup(STDERR_FILENO);
	assert_int_equal(dup2(said_fd, STDERR_FILENO), STDERR_FILENO);
	return file_fd < 0;
}

static int teardown(void **state _unused_)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(said_fd);
	close(file_fd);
	fixture_free(&f);
	return 0;
}

static int verify(void)
{
	const struct image_trust trust = {.digest = NULL};
	struct image_file file;
	int r = image_open(path, &trust, &file);

	if (r != EXIT_DONE)
		return r;
	r = verify_all(&file, 1);
	image_close(&file);
	return r;
}

/* What went to standard error. */
static const char *take_said(void)
{
	static char text[4096];
	ssize_t n = pread(said_fd, text, sizeof text - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(said_fd, 0), 0);
	lseek(said_fd, 0, SEEK_SET);
	return text;
}

static bool is_about_us(const char *said)
{
	return strstr(said, "out of memory") || strstr(said, "libcrypto or libzstd") ||
	       strstr(said, "cannot start one") || strstr(said, "Cannot allocate memory");
}

/* Whatever gets along without its memory is welcome to. */
static void fail_each(bool and_all_after)
{
	long n_steps = 0, n_wrong = 0;

	for (bool is_over = false; !is_over; n_steps++) {
		const char *said;
		int r;

		atomic_store(&all_fail, and_all_after);
		atomic_store(&n_failed, 0);
		atomic_store(&n_left, n_steps);
		r = verify();
		atomic_store(&n_left, -1);
		is_over = atomic_load(&n_failed) == 0;
		said = take_said();
		if (r == EXIT_REFUSED || (r == EXIT_FAILED && !is_about_us(said))) {
			printf("allocation %ld: exit code %d: %s", n_steps, r, said);
			n_wrong++;
		}
		if (is_over || r == EXIT_DONE)
			assert_string_equal(said, "");
	}
	assert_int_equal(n_wrong, 0);
	assert_true(n_steps > 20);
}

static void one_after_the_other(void **state _unused_)
{
	fail_each(false);
	assert_int_equal(verify(), EXIT_DONE);
}

static void all_from_one_on(void **state _unused_)
{
	fail_each(true);
	assert_int_equal(verify(), EXIT_DONE);
}

static void expect_said(const char *path_said, int err)
{
	char want[128];

	snprintf(want, sizeof want, "hydroot-image: %s: %s\n", path_said,
		 img_strerror(err));
	assert_string_equal(take_said(), want);
}

/* Of an error that says nothing of the image no script may conclude that it is bad. */
static void our_own_failures_are_no_refusals(void **state _unused_)
{
	static const int errors[] = {IMG_ERR_MEMORY, IMG_ERR_INTERNAL};
	const struct image_file file = {.path = "x.hri", .fd = -1};
	const struct hot_place place = {.path = "x.pack", .fd = -1};
	struct img_hot_frame frame = {.hot_off = 500};
	const struct img_hot hot = {.frames = &frame};
	struct check c = {.place = &place, .hot = &hot};
	struct img_chunk chunk = {.ci = 3};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct piece piece = {.error = errors[i]};

		assert_int_equal(image_refuse(&file, "META", 4104, errors[i]),
				 EXIT_FAILED);
		expect_said("x.hri", errors[i]);
		assert_int_equal(image_fail_chunk(&file, &chunk, errors[i], 0),
				 EXIT_FAILED);
		expect_said("x.hri", errors[i]);
		assert_int_equal(drain_frame(&c, &piece), EXIT_FAILED);
		expect_said("x.pack", errors[i]);
	}
}

static void *no_memory(size_t n _unused_)
{
	return NULL;
}

static void meta_is_not_to_blame(void **state _unused_)
{
	int r;

	json_set_alloc_funcs(no_memory, free);
	r = verify();
	json_set_alloc_funcs(__libc_malloc, free);
	assert_int_equal(r, EXIT_FAILED);
	assert_non_null(strstr(take_said(), "out of memory"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_after_the_other),
		TEST(all_from_one_on),
		TEST(meta_is_not_to_blame),
		TEST(our_own_failures_are_no_refusals),
	};

	json_set_alloc_funcs(__libc_malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: a sanitizer has malloc");
	return 77;
}

#endif
