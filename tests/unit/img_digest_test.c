/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_digest_test.c - SHA-256, its text, and "is it all zero"
 */
#include "tests/unit/img_fixture.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void known_answer(void **state _unused_)
{
	uint8_t digest[IMG_DIGEST_BYTES];
	char hex[IMG_HEX_BYTES];

	assert_int_equal(img_sha256("abc", 3, digest), 0);
	img_digest_hex(digest, hex);
	assert_string_equal(hex, ABC);
	assert_int_equal(img_sha256_check("abc", 3, digest), 0);
	assert_int_equal(img_sha256_check("abd", 3, digest), IMG_ERR_DIGEST);
}

static void pieces(void **state _unused_)
{
	struct img_hash *h = img_hash_new();
	uint8_t digest[IMG_DIGEST_BYTES];
	char hex[IMG_HEX_BYTES];

	for (int round = 0; round < 2; round++) {
		assert_int_equal(img_hash_begin(h), 0);
		assert_int_equal(img_hash_update(h, "a", 1), 0);
		assert_int_equal(img_hash_update(h, "", 0), 0);
		assert_int_equal(img_hash_update(h, "bc", 2), 0);
		assert_int_equal(img_hash_end(h, digest), 0);
		img_digest_hex(digest, hex);
		assert_string_equal(hex, ABC);
	}
	img_hash_free(h);
	img_hash_free(NULL);
}

/* 40 bytes for each chunk, and of no chunk the digest of nothing. */
static void raw_digest(void **state _unused_)
{
	struct img_hash *h = img_hash_new();
	uint8_t bytes[40] = {5, 0, 0, 0, 1}, got[IMG_DIGEST_BYTES];

	memset(bytes + 8, 7, IMG_DIGEST_BYTES);
	assert_int_equal(img_hash_begin(h), 0);
	assert_int_equal(img_hash_raw_chunk(h, 0x100000005, bytes + 8), 0);
	assert_int_equal(img_hash_end(h, got), 0);
	assert_int_equal(img_sha256_check(bytes, sizeof bytes, got), 0);
	img_hash_free(h);
}

static void text(void **state _unused_)
{
	static const char *const wrong[] = {
		"",	"sha256:",	     "sha512:" ABC, ABC "0", "sha256:" ABC " ",
		"ba78", "sha256:sha256:" ABC};
	uint8_t digest[IMG_DIGEST_BYTES], again[IMG_DIGEST_BYTES] = {9};

	assert_true(img_digest_parse("sha256:" ABC, digest));
	assert_int_equal(digest[0], 0xba);
	assert_true(img_digest_parse(ABC, again));
	assert_memory_equal(digest, again, sizeof digest);
	assert_true(img_digest_parse(
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		again));
	assert_memory_equal(digest, again, sizeof digest);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(img_digest_parse(wrong[i], again));
	assert_false(img_digest_parse(
		"g"
		"a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		again));
	assert_memory_equal(digest, again, sizeof digest);
}

static void zero(void **state _unused_)
{
	uint8_t buf[100] = {0};

	assert_true(img_is_zero(buf, 0));
	for (size_t n = 1; n <= sizeof buf; n++) {
		assert_true(img_is_zero(buf, n));
		buf[n - 1] = 1;
		assert_false(img_is_zero(buf, n));
		buf[n - 1] = 0;
	}
	buf[0] = 1;
	assert_false(img_is_zero(buf, sizeof buf));
	memset(buf, 1, sizeof buf);
	assert_false(img_is_zero(buf, sizeof buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answer), cmocka_unit_test(pieces),
		cmocka_unit_test(raw_digest),	cmocka_unit_test(text),
		cmocka_unit_test(zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
