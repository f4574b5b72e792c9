// SPDX-License-Identifier: Apache-2.0
/* ahead_test.c - what counts as a sequential reader, and how far ahead of it is fetched */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/ahead.h"

#define KIB 1024u
#define MIB (1024u * KIB)
#define CHUNK (64 * KIB)
#define N_CHUNKS (1024 * MIB / CHUNK)

static struct ahead *a;

static int setup(void **state _unused_)
{
	return ahead_new(N_CHUNKS, CHUNK, &a);
}

static int teardown(void **state _unused_)
{
	ahead_free(a);
	return 0;
}

/* Read [from, to) in pieces; the last piece decides what is wanted then. */
static void read_on(uint64_t from, uint64_t to, uint64_t piece, bool missed)
{
	for (; from < to; from += piece)
		(void)ahead_note(a, from, piece, missed);
}

/* Bytes that are wanted of all streams, and takes them. */
static uint64_t take_all(void)
{
	struct ahead_want want;
	uint64_t n = 0;

	while (ahead_next(a, &want)) {
		assert_true(want.first_ci < want.end_ci);
		assert_in_range(want.end_ci, 1, N_CHUNKS);
		n += want.end_ci - want.first_ci;
		ahead_asked(a, &want, want.end_ci);
	}
	return n * CHUNK;
}

static void as_much_as_was_read(void **state _unused_)
{
	struct ahead_want want;

	assert_false(ahead_note(a, 5 * MIB, 128 * KIB, true));
	assert_false(ahead_next(a, &want));
	assert_true(ahead_note(a, 5 * MIB + 128 * KIB, 128 * KIB, true));
	assert_true(ahead_next(a, &want));
	assert_int_equal(want.first_ci, (5 * MIB + 256 * KIB) / CHUNK);
	assert_int_equal(want.end_ci, (5 * MIB + 512 * KIB) / CHUNK);
	ahead_asked(a, &want, want.end_ci);
	assert_false(ahead_next(a, &want));
	/* What was fetched ahead is read: twice as much as before is wanted ahead. */
	read_on(5 * MIB + 256 * KIB, 5 * MIB + 512 * KIB, 128 * KIB, false);
	assert_int_equal(take_all(), 512 * KIB);
	read_on(5 * MIB + 512 * KIB, 6 * MIB, 128 * KIB, false);
	assert_int_equal(take_all(), 1 * MIB);
}

static void to_a_limit(void **state _unused_)
{
	read_on(0, 64 * MIB, 128 * KIB, true);
	assert_int_equal(take_all(), AHEAD_BYTES_MAX);
	read_on(64 * MIB, 65 * MIB, 128 * KIB, true);
	assert_int_equal(take_all(), MIB);
	read_on(1020 * MIB, 1022 * MIB, 128 * KIB, true);
	/* Not behind the end of the image. */
	assert_int_equal(take_all(), 2 * MIB);
	read_on(1022 * MIB, 1024 * MIB, 128 * KIB, true);
	assert_int_equal(take_all(), 0);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 11;
}

/* Over a part of the image so small that many land near each other. */
static void random_reads_want_nothing(void **state _unused_)
{
	for (unsigned i = 0; i < 4000; i++)
		assert_false(ahead_note(a, random_next() % (16 * MIB / 4096) * 4096, 4096,
					true));
	for (unsigned i = 0; i < 4000; i++)
		assert_false(ahead_note(a, random_next() % (1000 * MIB / 4096) * 4096,
					32 * KIB, true));
	assert_int_equal(take_all(), 0);
}

static void one_large_read_is_none(void **state _unused_)
{
	assert_false(ahead_note(a, 7 * MIB, MIB, true));
	assert_false(ahead_note(a, 700 * MIB, MIB, true));
	assert_int_equal(take_all(), 0);
}

static void in_small_pieces(void **state _unused_)
{
	read_on(0, AHEAD_RUN_BYTES_MIN - 4096, 4096, true);
	assert_int_equal(take_all(), 0);
	read_on(AHEAD_RUN_BYTES_MIN - 4096, AHEAD_RUN_BYTES_MIN, 4096, true);
	assert_int_equal(take_all(), AHEAD_RUN_BYTES_MIN);
}

/* Who reads what is there needs no help; a single read that waits is enough. */
static void only_where_somebody_waits(void **state _unused_)
{
	read_on(0, 4 * MIB, 64 * KIB, false);
	assert_int_equal(take_all(), 0);
	assert_true(ahead_note(a, 4 * MIB, 64 * KIB, true));
	assert_int_equal(take_all(), 4 * MIB + 64 * KIB);
}

static void several_at_a_time(void **state _unused_)
{
	for (unsigned i = 0; i < 16; i++)
		for (uint64_t s = 0; s < AHEAD_STREAMS; s++)
			(void)ahead_note(a, s * 100 * MIB + i * 64 * KIB, 64 * KIB, true);
	assert_int_equal(take_all(), AHEAD_STREAMS * MIB);
}

/* A storm of random reads does not make a stream forgotten. */
static void between_random_reads(void **state _unused_)
{
	for (unsigned i = 0; i < 64; i++) {
		(void)ahead_note(a, 500 * MIB + i * 64 * KIB, 64 * KIB, true);
		for (unsigned k = 0; k < (i < 4 ? 20 : 200); k++)
			(void)ahead_note(a, random_next() % (400 * MIB / 4096) * 4096,
					 4096, true);
	}
	assert_int_equal(take_all(), 4 * MIB);
}

static void out_of_order(void **state _unused_)
{
	for (unsigned i = 0; i < 32; i += 4) {
		static const unsigned order[] = {1, 0, 3, 2};

		for (unsigned k = 0; k < 4; k++)
			(void)ahead_note(a, (i + order[k]) * 128 * KIB, 128 * KIB, true);
	}
	assert_true(take_all() >= 2 * MIB);
}

/* The reader has overtaken what was asked for: what lies behind it is not wanted any more. */
static void overtaken(void **state _unused_)
{
	struct ahead_want want;

	read_on(0, MIB, 128 * KIB, true);
	read_on(MIB, 3 * MIB, 128 * KIB, true);
	assert_true(ahead_next(a, &want));
	assert_int_equal(want.first_ci, 3 * MIB / CHUNK);
}

/* Where the reader is closest to what is missing comes first. */
static void the_closest_first(void **state _unused_)
{
	struct ahead_want want;

	read_on(0, 4 * MIB, 128 * KIB, true);
	assert_true(ahead_next(a, &want));
	ahead_asked(a, &want, want.end_ci - 1);
	read_on(100 * MIB, 104 * MIB, 128 * KIB, true);
	assert_true(ahead_next(a, &want));
	assert_int_equal(want.first_ci, 104 * MIB / CHUNK);
}

/* Its place was taken by another meanwhile. */
static void answers_come_late(void **state _unused_)
{
	struct ahead_want old, now;

	read_on(0, MIB, 128 * KIB, true);
	assert_true(ahead_next(a, &old));
	for (uint64_t s = 1; s <= AHEAD_STREAMS; s++)
		read_on(s * 100 * MIB, s * 100 * MIB + MIB, 128 * KIB, true);
	ahead_asked(a, &old, N_CHUNKS);
	for (unsigned i = 0; i < AHEAD_STREAMS; i++) {
		assert_true(ahead_next(a, &now));
		assert_int_not_equal(now.generation, old.generation);
		ahead_asked(a, &now, now.end_ci);
	}
	assert_false(ahead_next(a, &now));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(as_much_as_was_read),
		TEST(to_a_limit),
		TEST(random_reads_want_nothing),
		TEST(one_large_read_is_none),
		TEST(in_small_pieces),
		TEST(only_where_somebody_waits),
		TEST(several_at_a_time),
		TEST(between_random_reads),
		TEST(out_of_order),
		TEST(overtaken),
		TEST(the_closest_first),
		TEST(answers_come_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
