/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_error_test.c - every code has a text of its own
 */
#include "tests/unit/img_fixture.h"

static void every_code_has_a_text(void **state _unused_)
{
	const char *unknown = img_strerror(1);

	for (int err = IMG_ERR_SHORT; err <= IMG_ERR_INTERNAL; err++) {
		assert_string_not_equal(img_strerror(err), unknown);
		for (int other = IMG_ERR_SHORT; other < err; other++)
			assert_string_not_equal(img_strerror(err), img_strerror(other));
	}
	assert_string_not_equal(img_strerror(IMG_OK), unknown);
	assert_string_equal(img_strerror(IMG_ERR_INTERNAL + 1), unknown);
}

static void every_fault_has_a_text_and_a_kind(void **state _unused_)
{
	const char *unknown = img_strerror(1);

	for (int err = IMG_FAULT_FIRST + 1; err < IMG_FAULT_END; err++) {
		int kind = img_err_kind(err);

		assert_in_range(kind - IMG_ERR_SHORT, 0,
				IMG_ERR_INTERNAL - IMG_ERR_SHORT);
		assert_string_not_equal(img_strerror(err), unknown);
		assert_string_not_equal(img_strerror(err), img_strerror(kind));
		for (int other = IMG_FAULT_FIRST + 1; other < err; other++)
			assert_string_not_equal(img_strerror(err), img_strerror(other));
	}
	assert_string_equal(img_strerror(IMG_FAULT_FIRST), unknown);
	assert_string_equal(img_strerror(IMG_FAULT_END), unknown);
	assert_int_equal(img_err_kind(IMG_ERR_MEMORY), IMG_ERR_MEMORY);
	assert_int_equal(img_err_kind(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_text),
		cmocka_unit_test(every_fault_has_a_text_and_a_kind)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
