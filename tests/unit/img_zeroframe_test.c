/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_zeroframe_test.c - the frame of a zero chunk: fixed bytes, and zeros for any zstd
 */
#include "tests/unit/img_fixture.h"

#include <zstd.h>

static void bytes_of_64k(void **state _unused_)
{
	static const uint8_t want[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0x00, 0x00,
				       0x01, 0x00, 0x03, 0x00, 0x08, 0x00};
	uint8_t frame[IMG_ZERO_FRAME_BYTES_MAX];

	assert_int_equal(img_zero_frame(65536, frame), sizeof want + 4);
	assert_memory_equal(frame, want, sizeof want);
}

/* Every length a chunk can have, in steps: zstd checks the checksum that we computed. */
static void zstd_makes_zeros_of_them(void **state _unused_)
{
	uint8_t frame[IMG_ZERO_FRAME_BYTES_MAX], *out = malloc(IMG_CHUNK_BYTES_MAX);

	for (uint32_t n = 4096; n <= IMG_CHUNK_BYTES_MAX;
	     n += n < 300000 ? 4096 : 126976) {
		uint32_t stored = img_zero_frame(n, frame);

		memset(out, 1, n);
		assert_int_equal(stored, img_zero_frame_bytes(n));
		assert_int_equal(ZSTD_decompress(out, n, frame, stored), n);
		assert_true(img_is_zero(out, n));
	}
	assert_int_equal(img_zero_frame(IMG_CHUNK_BYTES_MAX, frame),
			 IMG_ZERO_FRAME_BYTES_MAX);
	assert_int_equal(ZSTD_decompress(out, IMG_CHUNK_BYTES_MAX, frame, sizeof frame),
			 IMG_CHUNK_BYTES_MAX);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_64k),
		cmocka_unit_test(zstd_makes_zeros_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
