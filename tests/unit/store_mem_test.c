// SPDX-License-Identifier: Apache-2.0
/* store_mem_test.c - the contract, the limit, and the wrapper that fails on demand */
#include <errno.h>
#include <limits.h>

#include "tests/unit/store_contract.h"

#include "store/store_mem.h"
#include "tests/fakes/store_fault.h"

static void keeps_the_contract(void **state _unused_)
{
	struct store *s;

	assert_int_equal(store_mem_new(STORE_TEST_BYTES, 0, &s), 0);
	assert_int_equal(s->bytes, STORE_TEST_BYTES);
	assert_string_equal(s->device, "");
	store_contract(s);
	store_free(s);
}

static void keeps_the_limit(void **state _unused_)
{
	uint8_t *buf = store_buffer(1 << 20, 1);
	struct store_usage usage;
	struct store *s;

	assert_int_equal(store_mem_new(STORE_TEST_BYTES, 2 << 20, &s), 0);
	assert_int_equal(store_put(s, 0, buf, 1 << 20), 0);
	assert_int_equal(store_put(s, 4 << 20, buf, 1 << 20), 0);
	assert_int_equal(store_put(s, 2 << 20, buf, 4096), -ENOSPC);
	store_usage(s, &usage);
	assert_int_equal(usage.limit_bytes, 2 << 20);
	assert_int_equal(usage.used_bytes, 2 << 20);
	/* What was given back can be used again. */
	assert_int_equal(store_discard(s, 0, 4096), 0);
	assert_int_equal(store_put(s, 2 << 20, buf, 4096), 0);
	assert_int_equal(store_put(s, 2 << 20, buf, 4096), -ENOSPC);
	/* What is there can be written over. */
	assert_int_equal(store_put(s, 2 << 20, buf, 4096), -ENOSPC);
	assert_int_equal(store_get(s, 2 << 20, buf, 4096), 0);
	store_free(s);
	free(buf);
}

static void a_size_beyond_everything(void **state _unused_)
{
	struct store *s = NULL;

	assert_true(store_mem_new(UINT64_MAX, 0, &s) < 0);
	assert_null(s);
	store_free(NULL);
}

static void fault_wrapper(void **state _unused_)
{
	uint8_t *buf = store_buffer(4096, 1);
	struct store_fault_counts counts;
	struct store *mem, *s;

	assert_int_equal(store_mem_new(STORE_TEST_BYTES, 0, &mem), 0);
	s = store_fault_new(mem);
	store_contract(s);
	store_fault_fail_writes(s, 1, 2, -EIO);
	assert_int_equal(store_put(s, 0, buf, 4096), 0);
	assert_int_equal(store_put(s, 4096, buf, 4096), -EIO);
	assert_int_equal(store_discard(s, 0, 4096), -EIO);
	assert_int_equal(store_put(s, 4096, buf, 4096), 0);
	store_fault_fail_reads(s, 1, -ENOMEM);
	assert_int_equal(store_get(s, 0, buf, 4096), -ENOMEM);
	assert_int_equal(store_get(s, 0, buf, 4096), 0);
	store_fault_counts(s, &counts);
	assert_int_equal(counts.n_failed, 3);
	store_fault_fail_writes(s, 0, UINT_MAX, -ENOSPC);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(store_put(s, 0, buf, 4096), -ENOSPC);
	store_free(s);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_contract),
		cmocka_unit_test(keeps_the_limit),
		cmocka_unit_test(a_size_beyond_everything),
		cmocka_unit_test(fault_wrapper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
