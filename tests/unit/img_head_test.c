/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_head_test.c - every refusal of HEAD that FORMAT.md lists, one field at a time
 */
#include "tests/unit/img_fixture.h"

static struct fixture f;

static int setup(void **state _unused_)
{
	f = fixture_small();
	return 0;
}

static int teardown(void **state _unused_)
{
	fixture_free(&f);
	return 0;
}

static void refused(int err)
{
	struct img *img = (void *)1;

	assert_int_equal(img_err_kind(img_new(f.file, f.n_bytes, &img)), err);
	assert_ptr_equal(img, (void *)1);
}

static void refused_when_sealed(int err)
{
	fixture_seal(&f);
	refused(err);
}

static void good_head_is_decoded(void **state _unused_)
{
	struct img *img = fixture_img(&f);
	const struct img_info *info = img_info(img);

	assert_int_equal(info->image_bytes, FIXTURE_RAW_BYTES);
	assert_int_equal(info->chunk_bytes, FIXTURE_CHUNK_BYTES);
	assert_int_equal(info->n_chunks, 4);
	assert_int_equal(info->n_pages, 1);
	assert_int_equal(info->version_number, 7);
	assert_int_equal(info->file_bytes, f.n_bytes);
	assert_int_equal(info->seek_off + info->seek_bytes, f.n_bytes);
	assert_int_equal(info->n_signatures, 0);
	assert_memory_equal(info, &f.info, sizeof *info);
	assert_int_equal(info->uuid[6] >> 4, 8);
	assert_int_equal(info->uuid[8] >> 6, 2);
	assert_int_equal(img_chunk_raw_bytes(img, 0), FIXTURE_CHUNK_BYTES);
	assert_int_equal(img_chunk_raw_bytes(img, 3), 8192);
	assert_int_equal(img_chunk_raw_bytes(img, 4), 0);
	img_free(img);
	img_free(NULL);
}

static void short_buffer(void **state _unused_)
{
	struct img *img = NULL;

	for (size_t n = 0; n < IMG_HEAD_BYTES; n += 409)
		assert_int_equal(img_new(f.file, n, &img), IMG_ERR_SHORT);
	assert_int_equal(img_new(f.file, IMG_HEAD_BYTES - 1, &img), IMG_ERR_SHORT);
	assert_null(img);
	assert_int_equal(img_new(f.file, IMG_HEAD_BYTES, &img), 0);
	img_free(img);
}

static void wrong_magic(void **state _unused_)
{
	fixture_head(&f)->skip.magic[0] ^= 1;
	refused_when_sealed(IMG_ERR_MAGIC);
	fixture_head(&f)->skip.magic[0] ^= 1;
	fixture_head(&f)->magic[7] = '2';
	refused_when_sealed(IMG_ERR_MAGIC);
}

static void wrong_payload_length(void **state _unused_)
{
	le32_store(fixture_head(&f)->skip.payload_bytes, 4089);
	refused_when_sealed(IMG_ERR_FIELD);
}

static void unknown_version(void **state _unused_)
{
	le32_store(fixture_head(&f)->version, 2);
	refused_when_sealed(IMG_ERR_VERSION);
	le32_store(fixture_head(&f)->version, 0);
	refused_when_sealed(IMG_ERR_VERSION);
}

static void every_byte_is_under_the_checksum(void **state _unused_)
{
	for (size_t i = 0; i < IMG_HEAD_BYTES; i++) {
		struct img *img = NULL;
		int r;

		f.file[i] ^= 0x10;
		r = img_err_kind(img_new(f.file, f.n_bytes, &img));
		assert_int_equal(r, i < 4 || (i >= 8 && i < 16) ? IMG_ERR_MAGIC
				    : i >= 16 && i < 20		? IMG_ERR_VERSION
								: IMG_ERR_CHECKSUM);
		assert_null(img);
		f.file[i] ^= 0x10;
	}
}

static void unknown_features(void **state _unused_)
{
	struct img *img = NULL;

	le32_store(fixture_head(&f)->compat, 0xffffffff);
	fixture_seal(&f);
	assert_int_equal(img_new(f.file, f.n_bytes, &img), 0);
	img_free(img);
	for (unsigned bit = 0; bit < 32; bit++) {
		le32_store(fixture_head(&f)->incompat, 1u << bit);
		refused_when_sealed(IMG_ERR_FEATURE);
	}
}

static void wrong_digest(void **state _unused_)
{
	fixture_head(&f)->digest[31] ^= 1;
	fixture_checksum(&f);
	refused(IMG_ERR_DIGEST);
}

static void foreign_uuid(void **state _unused_)
{
	struct disk_head *h = fixture_head(&f);

	h->uuid[0] ^= 1;
	assert_int_equal(img_sha256(h, DISK_SIGNED_BYTES, h->digest), 0);
	fixture_checksum(&f);
	refused(IMG_ERR_FIELD);
}

static void reserved_bytes(void **state _unused_)
{
	const struct {
		size_t off, n;
	} ranges[] = {{60, 4}, {360, 152}, {548, 4}, {1112, 2952}};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		for (size_t k = 0; k < ranges[i].n; k += k + 97 < ranges[i].n ? 97 : 1) {
			f.file[ranges[i].off + k] = 1;
			refused_when_sealed(IMG_ERR_RESERVED);
			f.file[ranges[i].off + k] = 0;
		}
}

static void signature_slots(void **state _unused_)
{
	struct disk_head *h = fixture_head(&f);

	le32_store(h->n_signatures, 5);
	refused_when_sealed(IMG_ERR_FIELD);
	le32_store(h->n_signatures, 1); /* used, with algorithm 0 */
	refused_when_sealed(IMG_ERR_FIELD);
	le32_store(h->slots[0].algorithm, DISK_SIG_ED25519);
	h->slots[0].signature[64] = 1;
	refused_when_sealed(IMG_ERR_RESERVED);
	h->slots[0].signature[64] = 0;
	h->slots[1].key_id[0] = 1; /* unused, not zero */
	refused_when_sealed(IMG_ERR_RESERVED);
	h->slots[1].key_id[0] = 0;
	le32_store(h->slots[0].algorithm, 4711);
	h->slots[0].signature[127] = 1;
	fixture_seal(&f);
	img_free(fixture_img(&f)); /* an unknown algorithm is none of our business */
}

/* A 32- or 64-bit field of HEAD with one value after the other that it must not have. */
static void refused_u32(size_t off, uint32_t value)
{
	uint32_t old = le32_load(f.file + off);

	le32_store(f.file + off, value);
	refused_when_sealed(IMG_ERR_FIELD);
	le32_store(f.file + off, old);
}

static void refused_u64(size_t off, uint64_t value)
{
	uint64_t old = le64_load(f.file + off);

	le64_store(f.file + off, value);
	refused_when_sealed(IMG_ERR_FIELD);
	le64_store(f.file + off, old);
}

static void geometry(void **state _unused_)
{
	const uint32_t chunk_bytes[] = {0,     1,      32768,	 65537,
					98304, 131072, 8u << 20, 1u << 31};
	const uint64_t image_bytes[] = {0,
					1,
					FIXTURE_RAW_BYTES + 1,
					FIXTURE_CHUNK_BYTES,
					FIXTURE_RAW_BYTES + 65536,
					1ull << 63,
					UINT64_MAX,
					UINT64_MAX - 4095};

	for (size_t i = 0; i < ARRAY_SIZE(chunk_bytes); i++)
		refused_u32(56, chunk_bytes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(image_bytes); i++)
		refused_u64(48, image_bytes[i]);
	refused_u32(20, 1023); /* page entries */
	refused_u64(64, 5); /* n_chunks */
	refused_u64(64, 0);
	refused_u64(72, 2); /* n_pages */
	refused_u64(72, 0);
	refused_u64(80, 1ull << 63); /* version number */
}

static void too_many_chunks(void **state _unused_)
{
	struct disk_head *h = fixture_head(&f);
	uint64_t n = (1ull << 26) + 1;

	le64_store(h->image_bytes, n * 65536);
	le64_store(h->n_chunks, n);
	le64_store(h->n_pages, 65537);
	refused_when_sealed(IMG_ERR_FIELD);
	assert_true(img_geometry_is_valid((n - 1) * 65536, 65536));
	assert_true(img_geometry_is_valid(256ull << 40, 4u << 20));
	assert_false(img_geometry_is_valid((256ull << 40) + 4096, 4u << 20));
}

static void sections_are_where_they_must_be(void **state _unused_)
{
	const size_t places[] = {88, 96, 104, 144, 152, 192, 200, 240, 248, 312, 320};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t v = le64_load(f.file + places[i]);

		refused_u64(places[i], v + 1);
		refused_u64(places[i], v - 1);
		refused_u64(places[i], v + 36);
		refused_u64(places[i], 0);
		refused_u64(places[i], UINT64_MAX);
		refused_u64(places[i], 1ull << 63);
	}
}

/* Lengths that fit each other but not the limits. */
static void lengths_beyond_limits(void **state _unused_)
{
	const struct {
		size_t off;
		uint64_t value;
	} cases[] = {
		{152, 65537},	   {152, 1}, /* META */
		{200, 80},	   {200, 0}, /* PAGE TABLE */
		{248, 36864 + 36}, {248, 37}, /* INDEX PAGES */
		{104, 47},	   {104, 4 * (65536 + 256 + 64) + 1}, /* DATA */
		{320, 90}, /* SEEK TABLE */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture whole = f;
		struct disk_head *h = fixture_head(&f);
		uint8_t copy[IMG_HEAD_BYTES];
		uint64_t change = cases[i].value - le64_load(f.file + cases[i].off);
		const size_t later[] = {192, 240, 96, 312, 88};

		memcpy(copy, h, sizeof copy);
		le64_store(f.file + cases[i].off, cases[i].value);
		for (size_t k = 0; k < ARRAY_SIZE(later); k++) {
			bool is_behind = k + 1 > (cases[i].off == 152	? 0u
						  : cases[i].off == 200 ? 1u
						  : cases[i].off == 248 ? 2u
						  : cases[i].off == 104 ? 3u
									: 4u);

			if (is_behind)
				le64_store(f.file + later[k],
					   le64_load(f.file + later[k]) + change);
		}
		refused_when_sealed(IMG_ERR_FIELD);
		memcpy(h, copy, sizeof copy);
		f = whole;
	}
}

static void hot_pack_all_or_nothing(void **state _unused_)
{
	refused_u64(256, 5000);
	refused_u64(264, 200);
	refused_u64(304, 112);
	fixture_head(&f)->hot.digest[0] = 1;
	refused_when_sealed(IMG_ERR_FIELD);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(good_head_is_decoded),  TEST(short_buffer),
		TEST(wrong_magic),	     TEST(wrong_payload_length),
		TEST(unknown_version),	     TEST(every_byte_is_under_the_checksum),
		TEST(unknown_features),	     TEST(wrong_digest),
		TEST(foreign_uuid),	     TEST(reserved_bytes),
		TEST(signature_slots),	     TEST(geometry),
		TEST(too_many_chunks),	     TEST(sections_are_where_they_must_be),
		TEST(lengths_beyond_limits), TEST(hot_pack_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
