// SPDX-License-Identifier: Apache-2.0
/* blockbits_test.c - against an array of bools: every start and length around the words */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/blockbits.h"

#define N 200u

static void expect(const struct blockbits *b, const bool *want)
{
	unsigned n_set = 0;

	for (unsigned first = 0; first < N; first++) {
		unsigned run = 1;
		bool value;

		n_set += want[first];
		while (first + run < N && want[first + run] == want[first])
			run++;
		assert_int_equal(blockbits_run(b, first, N - first, &value), run);
		assert_int_equal(value, want[first]);
		assert_int_equal(blockbits_run(b, first, 1, &value), 1);
	}
	assert_int_equal(atomic_load(&b->n_set), n_set);
}

static void against_an_array(void **state _unused_)
{
	static const unsigned lengths[] = {1, 2, 63, 64, 65, 128, 130};
	bool want[N] = {0};
	struct blockbits b;

	assert_int_equal(blockbits_init(&b, N, NULL), 0);
	expect(&b, want);
	for (unsigned round = 0; round < 4; round++)
		for (unsigned first = 0; first < N; first += 7)
			for (unsigned k = 0; k < ARRAY_SIZE(lengths); k++) {
				unsigned n = lengths[k];
				bool value = (first + k + round) % 3 != 0;

				if (first + n > N)
					continue;
				blockbits_set(&b, first, n, value);
				for (unsigned i = first; i < first + n; i++)
					want[i] = value;
				expect(&b, want);
			}
	blockbits_set(&b, 0, N, true);
	memset(want, true, sizeof want);
	expect(&b, want);
	blockbits_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(against_an_array)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
