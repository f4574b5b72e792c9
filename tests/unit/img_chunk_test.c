/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_chunk_test.c - one chunk to its frame and back, and frames that are refused
 */
#include "tests/unit/img_fixture.h"

#include <zstd.h>

#define CHUNK 65536u

static struct img_decoder *decoder;
static uint8_t raw[CHUNK], out[CHUNK], frame[2 * CHUNK];
static struct img_chunk chunk;

static int setup(void **state _unused_)
{
	struct img_encoder *e = img_encoder_new(CHUNK, 3);

	decoder = img_decoder_new();
	for (size_t i = 0; i < CHUNK; i++)
		raw[i] = (uint8_t)(i / 7 ^ i % 13);
	assert_int_equal(img_chunk_encode(e, raw, CHUNK, frame, sizeof frame, &chunk), 0);
	img_encoder_free(e);
	return 0;
}

static int teardown(void **state _unused_)
{
	img_decoder_free(decoder);
	img_decoder_free(NULL);
	return 0;
}

static int decode(void)
{
	return img_chunk_decode(decoder, &chunk, frame, chunk.stored_bytes, out,
				sizeof out);
}

/* Another frame, with its digest right: only zstd can refuse it. */
static void refused_frame(size_t n)
{
	chunk.stored_bytes = (uint32_t)n;
	assert_int_equal(img_sha256(frame, n, chunk.digest), 0);
	assert_int_equal(img_err_kind(decode()), IMG_ERR_ZSTD);
}

static size_t compress(int checksum, int content_size, size_t n)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t len;

	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, content_size);
	len = ZSTD_compress2(c, frame, sizeof frame, raw, n);
	ZSTD_freeCCtx(c);
	assert_false(ZSTD_isError(len));
	return len;
}

static void round_trip(void **state _unused_)
{
	assert_int_equal(decode(), 0);
	assert_memory_equal(out, raw, CHUNK);
}

static void noise_fits_the_limit(void **state _unused_)
{
	struct img_encoder *e = img_encoder_new(CHUNK, 19);

	fixture_noise(raw, CHUNK, 3);
	assert_int_equal(img_chunk_encode(e, raw, CHUNK, frame,
					  img_stored_bytes_max(CHUNK), &chunk),
			 0);
	assert_true(chunk.stored_bytes <= img_stored_bytes_max(CHUNK));
	assert_int_equal(decode(), 0);
	assert_memory_equal(out, raw, CHUNK);
	assert_int_equal(img_chunk_encode(e, raw, CHUNK, frame,
					  img_stored_bytes_max(CHUNK) - 1, &chunk),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_chunk_encode(e, raw, CHUNK + 1, frame, sizeof frame, &chunk),
			 IMG_ERR_LENGTH);
	img_encoder_free(e);
}

/* One encoder for many chunks must give what a fresh one gives: jobs must not show. */
static void an_encoder_has_no_memory(void **state _unused_)
{
	static uint8_t again[2 * CHUNK];
	struct img_encoder *e = img_encoder_new(CHUNK, 9),
			   *fresh = img_encoder_new(CHUNK, 9);
	struct img_chunk c, d;

	fixture_noise(raw, CHUNK, 4);
	assert_int_equal(img_chunk_encode(e, raw, CHUNK, frame, sizeof frame, &c), 0);
	for (size_t i = 0; i < CHUNK; i++)
		raw[i] = (uint8_t)(i * i >> 11);
	assert_int_equal(img_chunk_encode(e, raw, CHUNK, frame, sizeof frame, &c), 0);
	assert_int_equal(img_chunk_encode(fresh, raw, CHUNK, again, sizeof again, &d), 0);
	assert_int_equal(c.stored_bytes, d.stored_bytes);
	assert_memory_equal(frame, again, c.stored_bytes);
	img_encoder_free(e);
	img_encoder_free(fresh);
}

static void zero_chunk(void **state _unused_)
{
	struct img_encoder *e = img_encoder_new(CHUNK, 3);

	memset(raw, 0, sizeof raw);
	assert_int_equal(img_chunk_encode(e, raw, CHUNK, frame, sizeof frame, &chunk), 0);
	assert_true(chunk.is_zero);
	assert_true(img_is_zero(chunk.digest, sizeof chunk.digest));
	memset(out, 1, sizeof out);
	assert_int_equal(img_chunk_decode(decoder, &chunk, NULL, 0, out, sizeof out), 0);
	assert_memory_equal(out, raw, CHUNK);
	assert_int_equal(ZSTD_decompress(out, CHUNK, frame, chunk.stored_bytes), CHUNK);
	raw[CHUNK - 1] = 1;
	assert_int_equal(img_chunk_encode(e, raw, CHUNK, frame, sizeof frame, &chunk), 0);
	assert_false(chunk.is_zero);
	img_encoder_free(e);
}

static void lengths(void **state _unused_)
{
	uint32_t n = chunk.stored_bytes;

	assert_int_equal(img_chunk_decode(decoder, &chunk, frame, n - 1, out, sizeof out),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_chunk_decode(decoder, &chunk, frame, n + 1, out, sizeof out),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_chunk_decode(decoder, &chunk, frame, 0, out, sizeof out),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_chunk_decode(decoder, &chunk, frame, n, out, CHUNK - 1),
			 IMG_ERR_LENGTH);
}

static void every_byte_is_under_the_digest(void **state _unused_)
{
	for (size_t i = 0; i < chunk.stored_bytes; i++) {
		frame[i] ^= 0x80;
		assert_int_equal(decode(), IMG_ERR_DIGEST);
		frame[i] ^= 0x80;
	}
	assert_int_equal(decode(), 0);
}

static void frames_of_another_kind(void **state _unused_)
{
	size_t n;

	refused_frame(compress(0, 1, CHUNK)); /* no checksum */
	refused_frame(compress(1, 0, CHUNK)); /* no content size */
	refused_frame(compress(1, 1, CHUNK - 1)); /* other content size */
	n = compress(1, 1, CHUNK);
	refused_frame(n - 1); /* cut off */
	frame[n] = 0;
	refused_frame(n + 1); /* a byte behind it */
	n = compress(1, 1, CHUNK);
	frame[n - 1] ^= 1; /* the checksum inside is wrong */
	refused_frame(n);
	memset(frame, 0, 100);
	refused_frame(100); /* no frame at all */
}

static void two_frames_for_one(void **state _unused_)
{
	size_t n = compress(1, 1, CHUNK / 2), m;

	m = ZSTD_compress(frame + n, sizeof frame - n, raw, CHUNK / 2, 1);
	refused_frame(n + m);
	/* A skippable frame in front: zstd takes it, the format does not. */
	n = compress(1, 1, CHUNK);
	memmove(frame + 8, frame, n);
	le32_store(frame, 0x184D2A50);
	le32_store(frame + 4, 0);
	refused_frame(n + 8);
}

/*
 * Damaged frames with right digests: whatever zstd makes of them, memory stays whole
 * (ASan).
 */
static void hostile_frames(void **state _unused_)
{
	size_t n = compress(1, 1, CHUNK);

	chunk.stored_bytes = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		frame[i] ^= 0x55;
		assert_int_equal(img_sha256(frame, n, chunk.digest), 0);
		assert_int_not_equal(decode(), 0);
		frame[i] ^= 0x55;
	}
}

static void levels(void **state _unused_)
{
	int min, max;

	img_level_range(&min, &max);
	assert_true(min <= IMG_LEVEL_DEFAULT && IMG_LEVEL_DEFAULT <= max);
	for (uint32_t n = IMG_CHUNK_BYTES_MIN; n <= IMG_CHUNK_BYTES_MAX; n *= 2)
		assert_true(img_stored_bytes_max(n) >= ZSTD_compressBound(n));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(round_trip),
		TEST(noise_fits_the_limit),
		TEST(an_encoder_has_no_memory),
		TEST(zero_chunk),
		TEST(lengths),
		TEST(every_byte_is_under_the_digest),
		TEST(frames_of_another_kind),
		TEST(two_frames_for_one),
		TEST(hostile_frames),
		TEST(levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
