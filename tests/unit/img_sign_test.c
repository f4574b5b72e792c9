/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_sign_test.c - keys, signing, importing, and the four slots
 * sanitizers: asan (there is one thread)
 */
#include "tests/unit/img_fixture.h"

#include "imgfmt/sign.h"

struct pair {
	char key[IMG_PEM_BYTES_MAX];
	char pub[IMG_PEM_BYTES_MAX];
};

static struct fixture f;
static struct pair a, b;

/* 'openssl genpkey -algorithm ed25519 -aes-256-cbc', and a key of another kind */
static const char encrypted[] =
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhlPyEVHkZ5JQICCAAw\n"
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIO+JqPNR1UuZWlcbEGmNo0EQMGT\n"
	"QTgRPUJhZTqQk9xXk6zbdvX4N2ZTn0vPjkcvz0bWc1pKQvMpwFdb3vFLxFxCkGVJ\n"
	"x6bM9n9l3vVfM3BzY2s=\n"
	"-----END ENCRYPTED PRIVATE KEY-----\n";

static int setup(void **state _unused_)
{
	f = fixture_small();
	assert_int_equal(img_keypair_new(a.key, a.pub), 0);
	assert_int_equal(img_keypair_new(b.key, b.pub), 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	fixture_free(&f);
	return 0;
}

static int sign(const struct pair *p)
{
	return img_head_sign(f.file, p->key, strlen(p->key));
}

static int check(const struct pair *p)
{
	struct img *img = fixture_img(&f);
	int r = img_check_signature(img, p->pub, strlen(p->pub));

	img_free(img);
	return r;
}

static uint32_t n_signatures(void)
{
	struct img *img = fixture_img(&f);
	uint32_t n = img_info(img)->n_signatures;

	img_free(img);
	return n;
}

static void signed_is_verified(void **state _unused_)
{
	assert_int_equal(check(&a), IMG_ERR_UNSIGNED);
	assert_int_equal(sign(&a), 0);
	assert_int_equal(check(&a), 0);
	assert_int_equal(check(&b), IMG_ERR_SIGNATURE);
	assert_int_equal(sign(&b), 0);
	assert_int_equal(check(&a), 0);
	assert_int_equal(check(&b), 0);
}

static void only_slots_and_checksum_change(void **state _unused_)
{
	uint8_t before[IMG_HEAD_BYTES];

	memcpy(before, f.file, sizeof before);
	assert_int_equal(sign(&a), 0);
	assert_memory_equal(before, f.file, offsetof(struct disk_head, n_signatures));
	assert_memory_equal(before + offsetof(struct disk_head, slots[1]),
			    f.file + offsetof(struct disk_head, slots[1]),
			    offsetof(struct disk_head, checksum) -
				    offsetof(struct disk_head, slots[1]));
}

static void same_key_replaces_its_slot(void **state _unused_)
{
	assert_int_equal(sign(&a), 0);
	assert_int_equal(sign(&b), 0);
	assert_int_equal(sign(&a), 0);
	assert_int_equal(n_signatures(), 2);
}

static void fifth_key_has_no_slot(void **state _unused_)
{
	uint8_t before[IMG_HEAD_BYTES];
	struct pair other;

	for (unsigned i = 0; i < IMG_SIGNATURES_MAX; i++) {
		assert_int_equal(img_keypair_new(other.key, other.pub), 0);
		assert_int_equal(sign(&other), 0);
	}
	memcpy(before, f.file, sizeof before);
	assert_int_equal(sign(&a), IMG_ERR_SLOTS);
	assert_memory_equal(before, f.file, sizeof before);
	assert_int_equal(sign(&other), 0);
	assert_int_equal(n_signatures(), IMG_SIGNATURES_MAX);
}

static void key_ids_are_told(void **state _unused_)
{
	uint8_t of_image[IMG_KEY_ID_BYTES], of_key[IMG_KEY_ID_BYTES];
	struct img *img;

	assert_int_equal(sign(&a), 0);
	img = fixture_img(&f);
	assert_true(img_signature_key_id(img, 0, of_image));
	assert_false(img_signature_key_id(img, 1, of_image));
	assert_int_equal(img_public_key_id(a.pub, strlen(a.pub), of_key), 0);
	assert_memory_equal(of_image, of_key, sizeof of_key);
	assert_int_equal(img_public_key_id(a.key, strlen(a.key), of_key), IMG_ERR_KEY);
	img_free(img);
}

static void take_signature(const struct pair *p, uint8_t ret[IMG_SIGNATURE_BYTES])
{
	uint8_t head[IMG_HEAD_BYTES];

	memcpy(head, f.file, sizeof head);
	assert_int_equal(img_head_sign(head, p->key, strlen(p->key)), 0);
	memcpy(ret, ((struct disk_head *)head)->slots[0].signature, IMG_SIGNATURE_BYTES);
}

static void import_with_its_key(void **state _unused_)
{
	uint8_t signature[IMG_SIGNATURE_BYTES];

	take_signature(&a, signature);
	assert_int_equal(img_head_import(f.file, signature, b.pub, strlen(b.pub)),
			 IMG_ERR_SIGNATURE);
	assert_int_equal(img_head_import(f.file, signature, "x", 1), IMG_ERR_KEY);
	assert_int_equal(n_signatures(), 0);
	assert_int_equal(img_head_import(f.file, signature, a.pub, strlen(a.pub)), 0);
	assert_int_equal(check(&a), 0);
	assert_int_equal(sign(&a), 0);
	assert_int_equal(n_signatures(), 1);
}

static void import_without_its_key(void **state _unused_)
{
	static const uint8_t nobody[IMG_KEY_ID_BYTES];
	uint8_t signature[IMG_SIGNATURE_BYTES], id[IMG_KEY_ID_BYTES];
	struct img *img;

	take_signature(&a, signature);
	assert_int_equal(img_head_import(f.file, signature, NULL, 0), 0);
	assert_int_equal(img_head_import(f.file, signature, NULL, 0), 0);
	assert_int_equal(n_signatures(), 1);
	assert_int_equal(check(&a), 0);
	img = fixture_img(&f);
	assert_true(img_signature_key_id(img, 0, id));
	assert_memory_equal(id, nobody, sizeof id);
	img_free(img);
	/* The key that comes later is recognised by its signature. */
	assert_int_equal(sign(&a), 0);
	assert_int_equal(n_signatures(), 1);
}

static void keys_that_cannot_sign(void **state _unused_)
{
	assert_int_equal(img_check_private_key(a.key, strlen(a.key)), 0);
	assert_int_equal(img_check_private_key(a.pub, strlen(a.pub)),
			 IMG_ERR_PRIVATE_KEY);
	assert_int_equal(img_check_private_key("", 0), IMG_ERR_PRIVATE_KEY);
	assert_int_equal(img_check_private_key(encrypted, strlen(encrypted)),
			 IMG_ERR_ENCRYPTED);
}

#define SECTOR_BYTES 512u

/* Which sectors of the new HEAD reached the disk is one bit each. */
static void tear(uint8_t *head, const uint8_t *old, const uint8_t *new, unsigned sectors)
{
	for (unsigned i = 0; i < IMG_HEAD_BYTES / SECTOR_BYTES; i++)
		memcpy(head + i * SECTOR_BYTES,
		       (sectors >> i & 1 ? new : old) + i * SECTOR_BYTES, SECTOR_BYTES);
}

/* After the signature of `more`, whose slot lies in one sector or in two. */
static void every_torn_head_is_mended(const struct pair *more)
{
	uint8_t old[IMG_HEAD_BYTES], new[IMG_HEAD_BYTES];
	unsigned n_torn = 0;

	memcpy(old, f.file, sizeof old);
	assert_int_equal(sign(more), 0);
	memcpy(new, f.file, sizeof new);
	for (unsigned sectors = 0; sectors < 256; sectors++) {
		struct img *img = NULL;

		tear(f.file, old, new, sectors);
		if (img_new(f.file, IMG_HEAD_BYTES, &img) == 0) {
			img_free(img);
			continue;
		}
		n_torn++;
		assert_int_equal(img_head_mend(f.file), 0);
		assert_int_equal(check(&a), 0);
		assert_int_equal(sign(more), 0);
		assert_int_equal(check(more), 0);
		assert_int_equal(check(&a), 0);
	}
	assert_true(n_torn > 0);
	memcpy(f.file, new, sizeof new);
}

static void torn_heads_are_mended(void **state _unused_)
{
	struct pair others[IMG_SIGNATURES_MAX - 1];

	assert_int_equal(sign(&a), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(img_keypair_new(others[i].key, others[i].pub), 0);
		every_torn_head_is_mended(&others[i]);
	}
}

/* What the digest covers is not mended, nor is a head without fault changed. */
static void other_damage_is_not_mended(void **state _unused_)
{
	uint8_t before[IMG_HEAD_BYTES];

	assert_int_equal(img_head_mend(f.file), IMG_ERR_CHECKSUM);
	for (unsigned i = 0; i < 544; i += 3) {
		f.file[i] ^= 1;
		memcpy(before, f.file, sizeof before);
		assert_true(img_head_mend(f.file) < 0);
		assert_memory_equal(before, f.file, sizeof before);
		f.file[i] ^= 1;
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(signed_is_verified),	  T(only_slots_and_checksum_change),
		T(fifth_key_has_no_slot), T(same_key_replaces_its_slot),
		T(key_ids_are_told),	  T(import_with_its_key),
		T(keys_that_cannot_sign), T(import_without_its_key),
		T(torn_heads_are_mended), T(other_damage_is_not_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
