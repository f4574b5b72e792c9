// SPDX-License-Identifier: Apache-2.0
/* trace_test.c - first accesses in their order, each block once, up to the mark and no further */
#include "tests/unit/rig.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "face/trace.h"

#define IMAGE_BLOCKS 1000u

static struct trace *t;
static char dir[] = "/tmp/trace-test.XXXXXX";
static int dirfd = -1;

static int setup(void **state _unused_)
{
	memset(dir + sizeof dir - 7, 'X', 6);
	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	return trace_new(IMAGE_BLOCKS * RIG_BLOCK, &t);
}

static int teardown(void **state _unused_)
{
	trace_free(t);
	(void)unlinkat(dirfd, "trace", 0);
	close(dirfd);
	return rmdir(dir);
}

static void note(uint64_t block, unsigned n)
{
	trace_note(t, block * RIG_BLOCK, (size_t)n * RIG_BLOCK);
}

/* Everything behind the head line. */
static void expect_runs(const char *want)
{
	const struct img_info info = {.digest = {0xab}, .raw_digest = {0xcd}};
	static char text[65536];
	cleanup_fd int fd = -1;
	struct stat st;
	ssize_t n;

	assert_int_equal(trace_write(t, &info, dirfd), 0);
	fd = openat(dirfd, "trace", O_RDONLY);
	n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_memory_equal(text, "hydroot-trace 1 4096 sha256:ab00", 32);
	assert_non_null(strstr(text, " sha256:cd00"));
	assert_string_equal(strchr(text, '\n') + 1, want);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_not_equal(faccessat(dirfd, ".trace", F_OK, 0), 0);
}

static void first_access_order(void **state _unused_)
{
	expect_runs("");
	note(10, 4);
	note(14, 2);
	note(3, 1);
	note(9, 9);
	note(10, 4);
	note(999, 1);
	note(998, 5);
	expect_runs("10 6\n3 1\n9 1\n16 2\n999 1\n998 1\n");
}

static void nothing_after_the_mark(void **state _unused_)
{
	struct trace_counts counts;

	note(1, 2);
	trace_end(t, TRACE_MARK);
	trace_end(t, TRACE_HANDOVER);
	note(5, 1);
	trace_counts(t, &counts);
	assert_int_equal(counts.end, TRACE_MARK);
	assert_int_equal(counts.n_runs, 1);
	assert_int_equal(counts.n_blocks, 2);
	expect_runs("1 2\n");
}

/* Whoever prints it later is told why it ended, also when another process has gone on with it. */
static void the_first_reason_stays(void **state _unused_)
{
	const size_t n_bytes = trace_memory_bytes(IMAGE_BLOCKS * RIG_BLOCK);
	void *memory = calloc(1, n_bytes);
	struct trace_counts counts;

	assert_non_null(memory);
	assert_null(trace_end_name(TRACE_GOES_ON));
	assert_string_equal(trace_end_name(TRACE_MARK), "mark");
	assert_string_equal(trace_end_name(TRACE_FULL), "full");
	assert_string_equal(trace_end_name(TRACE_HANDOVER), "handover");
	for (unsigned i = 0; i < 2; i++) {
		struct trace *kept;

		assert_int_equal(trace_new_in(memory, IMAGE_BLOCKS * RIG_BLOCK, &kept),
				 0);
		trace_end(kept, i ? TRACE_MARK : TRACE_HANDOVER);
		trace_note(kept, 0, RIG_BLOCK);
		trace_counts(kept, &counts);
		assert_int_equal(counts.end, TRACE_HANDOVER);
		assert_int_equal(counts.n_blocks, 0);
		trace_free(kept);
	}
	free(memory);
}

static void it_ends_when_it_is_full(void **state _unused_)
{
	struct trace_counts counts;
	struct trace *big;

	assert_int_equal(trace_new((uint64_t)TRACE_RUNS_MAX * 4 * RIG_BLOCK, &big), 0);
	for (uint64_t i = 0; i < TRACE_RUNS_MAX + 5; i++)
		trace_note(big, 2 * i * RIG_BLOCK, RIG_BLOCK);
	trace_counts(big, &counts);
	assert_int_equal(counts.end, TRACE_FULL);
	assert_int_equal(counts.n_runs, TRACE_RUNS_MAX);
	trace_free(big);
	/* And by blocks. */
	assert_int_equal(trace_new((TRACE_BLOCKS_MAX + 100) * RIG_BLOCK, &big), 0);
	for (uint64_t b = 0; b < TRACE_BLOCKS_MAX + 100; b += 100)
		trace_note(big, b * RIG_BLOCK, 100 * RIG_BLOCK);
	trace_counts(big, &counts);
	assert_int_equal(counts.end, TRACE_FULL);
	assert_int_equal(counts.n_blocks, TRACE_BLOCKS_MAX);
	trace_free(big);
}

static void nowhere_to_write(void **state _unused_)
{
	const struct img_info info = {0};

	assert_int_equal(trace_write(t, &info, -1), -EBADF);
}

static void *reader_thread(void *arg)
{
	unsigned k = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < 2000; i++)
		note((i * 7 + k) % IMAGE_BLOCKS, 1);
	return NULL;
}

static void many_readers(void **state _unused_)
{
	struct trace_counts counts;
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, reader_thread, (void *)i);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	trace_counts(t, &counts);
	assert_int_equal(counts.n_blocks, IMAGE_BLOCKS);
	assert_int_equal(counts.end, TRACE_GOES_ON);
}

/* Noted before it waits, and only when it is a read that can be answered. */
static void the_readpath_notes(void **state _unused_)
{
	const struct rig_options o = {.n_chunks = 8, .no_fill = true, .trace = t};
	struct rig_reply r;
	struct rig g;

	rig_init(&g, &o);
	rig_reply_init(&r, NULL);
	readpath_read(g.rp, &r, 5 * RIG_CHUNK, 2 * RIG_BLOCK);
	assert_int_equal(rig_read(&g, 1, NULL, RIG_BLOCK), -EINVAL);
	expect_runs("80 2\n");
	rig_start(&g);
	assert_int_equal(rig_reply_wait(&r), 0);
	rig_expect(&g, 5 * RIG_CHUNK, 3 * RIG_BLOCK);
	expect_runs("80 3\n");
	rig_fini(&g);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(first_access_order),	   T(nothing_after_the_mark),
		T(the_first_reason_stays), T(it_ends_when_it_is_full),
		T(nowhere_to_write),	   T(many_readers),
		T(the_readpath_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
