/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_seektable_test.c - the seek table, read as the Zstandard Seekable Format wants it
 * read
 */
#include "tests/unit/img_fixture.h"

static void as_the_specification_reads_it(void **state _unused_)
{
	struct fixture f = fixture_small();
	const uint8_t *end = f.file + f.n_bytes, *e;
	uint32_t n_frames = le32_load(end - 9);
	uint64_t stored = 0, raw = 0;

	assert_int_equal(le32_load(end - 4), 0x8F92EAB1);
	assert_int_equal(end[-5], 0);
	assert_int_equal(n_frames, 4 + 4);
	e = end - 9 - n_frames * 8;
	assert_int_equal(le32_load(e - 8), 0x184D2A5E);
	assert_int_equal(le32_load(e - 4), n_frames * 8 + 9);
	for (uint32_t i = 0; i < n_frames; i++) {
		assert_int_equal(le32_load(f.file + stored),
				 i < 4 ? 0x184D2A50u : 0xFD2FB528u);
		if (i < 4)
			assert_int_equal(le32_load(e + i * 8 + 4), 0);
		stored += le32_load(e + i * 8);
		raw += le32_load(e + i * 8 + 4);
	}
	assert_int_equal(stored + 17 + n_frames * 8, f.n_bytes);
	assert_int_equal(raw, FIXTURE_RAW_BYTES);
	fixture_free(&f);
}

static void digest_in_head(void **state _unused_)
{
	struct fixture f = fixture_small();
	struct img *img = fixture_img(&f);

	assert_int_equal(img_sha256_check(f.file + f.info.seek_off, f.info.seek_bytes,
					  img_digests(img)->seek),
			 0);
	img_free(img);
	fixture_free(&f);
}

static void a_hot_pack_is_listed(void **state _unused_)
{
	struct img_info info = {.n_chunks = 3, .hot_bytes = 500};
	uint8_t front[IMG_SEEK_FRONT_BYTES_MAX], end[IMG_SEEK_END_BYTES];

	assert_int_equal(img_seek_bytes(&info), 17 + 8 * 8);
	assert_int_equal(img_seek_front(&info, front), 48);
	assert_int_equal(le32_load(front + 40), 508);
	assert_int_equal(img_seek_end(&info, end), 9);
	assert_int_equal(le32_load(end), 8);
	info.hot_bytes = 0;
	assert_int_equal(img_seek_bytes(&info), 17 + 7 * 8);
	assert_int_equal(img_seek_front(&info, front), 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_specification_reads_it),
		cmocka_unit_test(digest_in_head),
		cmocka_unit_test(a_hot_pack_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
