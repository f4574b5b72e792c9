/* SPDX-License-Identifier: Apache-2.0 */
/* source_fault_test.c - the fake source keeps the contract that engine tests rely on */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fakes/source_fault.h"

static uint8_t file[100000];

static int setup(void **state)
{
	for (size_t i = 0; i < sizeof file; i++)
		file[i] = (uint8_t)(i * 7 + i / 251);
	*state = source_fault_new(file, sizeof file);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	source_free(*state);
	return 0;
}

static void submit(struct source *s, uint64_t id, uint64_t off, uint32_t n, bool may_end)
{
	const struct source_request rq = {
		.id = id,
		.src_off = off,
		.n_bytes = n,
		.may_end = may_end,
	};
	assert_int_equal(source_submit(s, &rq), 0);
}

static void delivers_in_steps(void **state)
{
	struct source *s = *state;
	struct source_event ev[4];

	source_fault_set_step(s, 1000);
	submit(s, 1, 50, 2500, false);
	assert_int_equal(source_wait(s, -1, ev, 4), 1);
	assert_int_equal(ev[0].kind, SOURCE_BYTES);
	assert_int_equal(ev[0].n_bytes, 1000);
	assert_int_equal(source_wait(s, -1, ev, 4), 1);
	assert_int_equal(source_wait(s, -1, ev, 4), 1);
	assert_int_equal(ev[0].kind, SOURCE_DONE);
	assert_int_equal(ev[0].n_bytes, 2500);
	assert_memory_equal(ev[0].data, file + 50, 2500);
	assert_int_equal(source_wait(s, 0, ev, 4), 0);
	source_release(s, 1);
}

static void may_end_is_done_with_less(void **state)
{
	struct source *s = *state;
	struct source_event ev;

	submit(s, 1, sizeof file - 10, 4096, true);
	assert_int_equal(source_wait(s, -1, &ev, 1), 1);
	assert_int_equal(ev.kind, SOURCE_DONE);
	assert_int_equal(ev.n_bytes, 10);
}

static void reverse_order(void **state)
{
	struct source *s = *state;
	struct source_event ev[4];

	source_fault_set_reverse(s, true);
	for (uint64_t id = 1; id <= 3; id++)
		submit(s, id, id * 100, 100, false);
	assert_int_equal(source_wait(s, -1, ev, 4), 3);
	assert_int_equal(ev[0].id, 3);
	assert_int_equal(ev[2].id, 1);
}

static void corrupt_byte_only_from_server_0(void **state)
{
	struct source *s = *state;
	struct source_event ev;
	const struct source_request other = {.id = 2, .n_bytes = 100, .avoid = 1};

	source_fault_set_servers(s, 2);
	source_fault_corrupt(s, 42, UINT_MAX);
	submit(s, 1, 0, 100, false);
	assert_int_equal(source_wait(s, -1, &ev, 1), 1);
	assert_int_equal(ev.server, 0);
	assert_int_not_equal(ev.data[42], file[42]);
	assert_int_equal(source_submit(s, &other), 0);
	assert_int_equal(source_wait(s, -1, &ev, 1), 1);
	assert_int_equal(ev.server, 1);
	assert_memory_equal(ev.data, file, 100);
}

static void held_answers_wait(void **state)
{
	struct source *s = *state;
	struct source_event ev;
	struct source_status st;

	source_fault_hold(s, true);
	submit(s, 1, 0, 100, false);
	assert_int_equal(source_wait(s, 5, &ev, 1), 0);
	assert_int_equal(source_room(s, SOURCE_FILL), 0);
	source_status(s, &st);
	assert_true(st.is_away);
	source_fault_hold(s, false);
	assert_int_equal(source_wait(s, -1, &ev, 1), 1);
}

static void *wake_thread(void *arg)
{
	usleep(20000);
	source_wake(arg);
	return NULL;
}

static void wake_ends_wait(void **state)
{
	struct source_event ev;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, wake_thread, *state), 0);
	assert_int_equal(source_wait(*state, -1, &ev, 1), 0);
	pthread_join(thread, NULL);
	source_wake(*state);
	assert_int_equal(source_wait(*state, -1, &ev, 1), 0);
}

static void slots_run_out(void **state)
{
	struct source *s = *state;
	const struct source_request rq = {.id = 99, .n_bytes = 1};

	for (uint64_t id = 0; id < 8; id++)
		submit(s, id, 0, 10, false);
	assert_int_equal(source_submit(s, &rq), -EBUSY);
	source_release(s, 3);
	assert_int_equal(source_submit(s, &rq), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(delivers_in_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(may_end_is_done_with_less, setup,
						teardown),
		cmocka_unit_test_setup_teardown(reverse_order, setup, teardown),
		cmocka_unit_test_setup_teardown(corrupt_byte_only_from_server_0, setup,
						teardown),
		cmocka_unit_test_setup_teardown(held_answers_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(wake_ends_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_run_out, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
