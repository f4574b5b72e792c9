// SPDX-License-Identifier: Apache-2.0
/* pages_test.c - index pages of a real image of six pages, kept three at a time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/pages.h"
#include "tests/fakes/testimage.h"

#define N_PAGES 6u

static struct testimage image;

/* One chunk of each page but the third has data. */
static bool is_zero(uint64_t ci)
{
	return ci % IMG_PAGE_ENTRIES != 5 || img_page_of(ci) == 2;
}

static int setup(void **state _unused_)
{
	testimage_new(&image, N_PAGES * IMG_PAGE_ENTRIES - 10, 4096, is_zero);
	return image.info->n_pages == N_PAGES ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	testimage_free(&image);
	return 0;
}

static int add(struct pages *p, uint64_t page)
{
	struct img_range range;

	assert_int_equal(img_page_locate(image.img, page, &range), 0);
	return pages_add(p, page, range.n_bytes ? image.file + range.src_off : NULL,
			 range.n_bytes);
}

static void least_recently_used_leaves(void **state _unused_)
{
	struct pages *p;

	assert_int_equal(pages_new(image.img, 3, &p), 0);
	assert_null(pages_get(p, 0));
	for (uint64_t page = 0; page < 3; page++)
		assert_int_equal(add(p, page), 0);
	for (uint64_t page = 0; page < 3; page++)
		assert_int_equal(pages_get(p, page)->page, page);
	assert_non_null(pages_get(p, 0));
	assert_int_equal(add(p, 3), 0);
	assert_null(pages_get(p, 1));
	assert_non_null(pages_get(p, 2));
	/* Adding again counts as a use, and takes no other slot. */
	assert_int_equal(add(p, 0), 0);
	assert_int_equal(add(p, 5), 0);
	assert_null(pages_get(p, 3));
	assert_non_null(pages_get(p, 0));
	assert_non_null(pages_get(p, 2));
	assert_int_equal(pages_get(p, 5)->n_entries, IMG_PAGE_ENTRIES - 10);
	pages_free(p);
	pages_free(NULL);
}

static void what_a_page_says(void **state _unused_)
{
	const struct img_page *page;
	struct img_chunk chunk;
	struct pages *p;

	assert_int_equal(pages_new(image.img, 1, &p), 0);
	assert_int_equal(add(p, 2), 0);
	assert_true(pages_get(p, 2)->is_zero);
	assert_int_equal(add(p, 1), 0);
	assert_null(pages_get(p, 2));
	page = pages_get(p, 1);
	assert_false(page->is_zero);
	assert_int_equal(img_page_chunk(image.img, page, IMG_PAGE_ENTRIES + 5, &chunk),
			 0);
	assert_false(chunk.is_zero);
	assert_int_equal(img_page_chunk(image.img, page, IMG_PAGE_ENTRIES + 6, &chunk),
			 0);
	assert_true(chunk.is_zero);
	pages_free(p);
}

static void a_bad_page_evicts_nothing(void **state _unused_)
{
	struct img_range range;
	uint8_t *bad;
	struct pages *p;

	assert_int_equal(pages_new(image.img, 2, &p), 0);
	assert_int_equal(add(p, 0), 0);
	assert_int_equal(add(p, 1), 0);
	assert_int_equal(img_page_locate(image.img, 3, &range), 0);
	bad = malloc(range.n_bytes);
	memcpy(bad, image.file + range.src_off, range.n_bytes);
	bad[777] ^= 1;
	assert_int_equal(pages_add(p, 3, bad, range.n_bytes), IMG_ERR_DIGEST);
	assert_int_equal(pages_add(p, 3, bad, range.n_bytes - 1), IMG_ERR_LENGTH);
	assert_int_equal(pages_add(p, N_PAGES, bad, range.n_bytes), IMG_ERR_RANGE);
	/* Also not where the same page is here already. */
	assert_int_equal(pages_add(p, 1, bad, range.n_bytes), IMG_ERR_DIGEST);
	assert_null(pages_get(p, 3));
	assert_false(pages_get(p, 0)->is_zero);
	assert_int_equal(pages_get(p, 1)->page, 1);
	free(bad);
	pages_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_recently_used_leaves),
		cmocka_unit_test(what_a_page_says),
		cmocka_unit_test(a_bad_page_evicts_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
