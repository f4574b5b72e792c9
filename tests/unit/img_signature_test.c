/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_signature_test.c - pinned digests and Ed25519 signatures
 */
#include "tests/unit/img_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

static struct fixture f;
static EVP_PKEY *key;
static char pem[1024], other_pem[1024];

static void write_pem(EVP_PKEY *k, char *to)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, k), 1);
	n = BIO_read(bio, to, 1023);
	assert_true(n > 0);
	to[n] = '\0';
	BIO_free(bio);
}

static int setup(void **state _unused_)
{
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	f = fixture_small();
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	write_pem(key, pem);
	write_pem(other, other_pem);
	EVP_PKEY_free(other);
	return 0;
}

static int teardown(void **state _unused_)
{
	EVP_PKEY_free(key);
	fixture_free(&f);
	return 0;
}

static void sign(uint32_t slot, uint32_t n_signatures)
{
	struct disk_head *h = fixture_head(&f);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = 64;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, h->slots[slot].signature, &n, f.file, 512),
			 1);
	EVP_MD_CTX_free(ctx);
	for (uint32_t i = 0; i < n_signatures; i++)
		le32_store(h->slots[i].algorithm, 1);
	le32_store(h->n_signatures, n_signatures);
	fixture_checksum(&f);
}

static int check(const char *with)
{
	struct img *img = fixture_img(&f);
	int r = img_check_signature(img, with, strlen(with));

	img_free(img);
	return r;
}

static void good_signature_in_any_slot(void **state _unused_)
{
	sign(0, 1);
	assert_int_equal(check(pem), 0);
	sign(3, 4);
	memset(fixture_head(&f)->slots[0].signature, 7, 64);
	fixture_checksum(&f);
	assert_int_equal(check(pem), 0);
}

static void signing_changes_no_digest(void **state _unused_)
{
	struct img *img = fixture_img(&f);
	uint8_t before[IMG_DIGEST_BYTES];

	memcpy(before, img_info(img)->digest, sizeof before);
	img_free(img);
	sign(0, 1);
	img = fixture_img(&f);
	assert_memory_equal(img_info(img)->digest, before, sizeof before);
	assert_memory_equal(img_signed_bytes(img), f.file, IMG_SIGNED_BYTES);
	img_free(img);
}

static void unsigned_image(void **state _unused_)
{
	assert_int_equal(check(pem), IMG_ERR_UNSIGNED);
}

static void another_key(void **state _unused_)
{
	sign(0, 1);
	assert_int_equal(check(other_pem), IMG_ERR_SIGNATURE);
}

static void another_image(void **state _unused_)
{
	sign(0, 1);
	le64_store(fixture_head(&f)->version_number, 6);
	fixture_seal(&f);
	assert_int_equal(check(pem), IMG_ERR_SIGNATURE);
}

static void every_signature_byte_counts(void **state _unused_)
{
	sign(0, 1);
	for (unsigned i = 0; i < 64; i++) {
		fixture_head(&f)->slots[0].signature[i] ^= 1;
		fixture_checksum(&f);
		assert_int_equal(check(pem), IMG_ERR_SIGNATURE);
		fixture_head(&f)->slots[0].signature[i] ^= 1;
	}
}

static void unknown_algorithm(void **state _unused_)
{
	sign(0, 1);
	le32_store(fixture_head(&f)->slots[0].algorithm, 2);
	fixture_checksum(&f);
	assert_int_equal(check(pem), IMG_ERR_SIGNATURE);
}

static void not_a_key(void **state _unused_)
{
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	char rsa_pem[1024];

	write_pem(rsa, rsa_pem);
	EVP_PKEY_free(rsa);
	sign(0, 1);
	assert_int_equal(check(""), IMG_ERR_KEY);
	assert_int_equal(
		check("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
		IMG_ERR_KEY);
	assert_int_equal(check(rsa_pem), IMG_ERR_KEY);
}

static void pinned_digest(void **state _unused_)
{
	struct img *img = fixture_img(&f);
	uint8_t digest[IMG_DIGEST_BYTES];

	memcpy(digest, img_info(img)->digest, sizeof digest);
	assert_int_equal(img_check_digest(img, digest), 0);
	for (unsigned i = 0; i < sizeof digest; i++) {
		digest[i] ^= 1;
		assert_int_equal(img_check_digest(img, digest), IMG_ERR_DIGEST);
		digest[i] ^= 1;
	}
	img_free(img);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(good_signature_in_any_slot),
		TEST(signing_changes_no_digest),
		TEST(unsigned_image),
		TEST(another_key),
		TEST(another_image),
		TEST(every_signature_byte_counts),
		TEST(unknown_algorithm),
		TEST(not_a_key),
		TEST(pinned_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
