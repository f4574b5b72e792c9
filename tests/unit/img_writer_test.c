/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_writer_test.c - round trips, the golden image, huge sparse images, what the writer
 * refuses
 * sanitizers: asan (there is one thread)
 */
#include "tests/unit/img_fixture.h"

#include <sys/resource.h>

/* Of the whole file: noise and zeros only, which every version of zstd stores alike. */
#define GOLDEN_SHA256 "47665254deac69a1b64892d233526ed14de4491f7f9309852ab59b9738090c5b"

static void read_back(const struct fixture *f, const uint8_t *raw)
{
	struct img *img = fixture_img_with_table(f);
	struct img_page *page = malloc(sizeof *page);
	struct img_decoder *d = img_decoder_new();
	uint8_t *out = malloc(f->info.chunk_bytes);

	for (uint64_t ci = 0; ci < f->info.n_chunks; ci++) {
		struct img_range place;
		struct img_chunk c;

		assert_int_equal(img_page_locate(img, img_page_of(ci), &place), 0);
		assert_int_equal(img_page_decode(img, img_page_of(ci),
						 f->file + place.src_off, place.n_bytes,
						 page),
				 0);
		assert_int_equal(img_page_chunk(img, page, ci, &c), 0);
		assert_int_equal(img_chunk_decode(d, &c, f->file + c.src_off,
						  c.stored_bytes, out,
						  f->info.chunk_bytes),
				 0);
		assert_memory_equal(out, raw + ci * f->info.chunk_bytes, c.raw_bytes);
	}
	img_decoder_free(d);
	img_free(img);
	free(page);
	free(out);
}

static void round_trip(void **state _unused_)
{
	const size_t sizes[] = {4096,	      65536 - 4096, 65536,
				65536 + 4096, 4 * 65536,    1000 * 4096};
	uint8_t *raw = calloc(1, 1000 * 4096);

	for (size_t i = 0; i < 1000 * 4096; i += 3 * 65536)
		fixture_noise(raw + i, 5000, i);
	for (uint32_t chunk_bytes = 65536; chunk_bytes <= 4u << 20; chunk_bytes *= 2)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			struct fixture f = fixture_build(raw, sizes[i], chunk_bytes);

			read_back(&f, raw);
			fixture_free(&f);
		}
	free(raw);
}

static void golden_image(void **state _unused_)
{
	uint8_t *raw = fixture_raw(), digest[IMG_DIGEST_BYTES];
	char hex[IMG_HEX_BYTES];
	struct fixture f;

	fixture_noise(raw + 2 * FIXTURE_CHUNK_BYTES, FIXTURE_CHUNK_BYTES, 5);
	f = fixture_build(raw, FIXTURE_RAW_BYTES, FIXTURE_CHUNK_BYTES);
	assert_int_equal(img_sha256(f.file, f.n_bytes, digest), 0);
	img_digest_hex(digest, hex);
	assert_string_equal(hex, GOLDEN_SHA256);
	fixture_free(&f);
	free(raw);
}

#define MANY (1u << 21)
#define WITH_DATA 2000000u

/* 128 GiB at 64K, 2048 index pages, one of them with data. */
static void a_huge_sparse_image(void **state _unused_)
{
	const uint8_t raw_digest[IMG_DIGEST_BYTES] = {3};
	struct img_writer_head head = {
		FIXTURE_META, strlen(FIXTURE_META), 7, raw_digest, NULL, 0, 0};
	struct img_chunk zero,
		data = {.stored_bytes = 5000, .raw_bytes = 65536, .digest = {1}};
	struct img_page *page = malloc(sizeof *page);
	struct img_writer_tables t;
	struct img_range place;
	struct img_writer *w;
	struct img *img;

	img_zero_chunk_encode(65536, &zero);
	assert_int_equal(img_writer_new(65536, &w), 0);
	for (uint32_t ci = 0; ci < MANY; ci++)
		assert_int_equal(img_writer_add(w, ci == WITH_DATA ? &data : &zero), 0);
	assert_int_equal(img_writer_finish(w, &head, &t), 0);
	img_writer_free(w);
	assert_int_equal(t.info.image_bytes, 65536ull * MANY);
	assert_int_equal(t.info.pages_bytes, DISK_PAGE_BYTES);
	assert_true(t.front_bytes < IMG_FIRST_READ_BYTES);
	assert_int_equal(img_new(t.front, t.front_bytes, &img), 0);
	assert_int_equal(img_set_table(img, (char *)t.front + t.info.table_off,
				       t.info.table_bytes),
			 0);
	assert_int_equal(img_page_locate(img, img_page_of(WITH_DATA), &place), 0);
	assert_int_equal(place.src_off, t.info.pages_off);
	assert_int_equal(img_page_decode(img, img_page_of(WITH_DATA),
					 (char *)t.front + place.src_off, place.n_bytes,
					 page),
			 0);
	assert_int_equal(img_page_chunk(img, page, WITH_DATA, &data), 0);
	assert_int_equal(data.src_off, t.info.data_off + WITH_DATA * 17ull);
	assert_false(data.is_zero);
	img_free(img);
	free(page);
	free(t.front);
	free(t.seek);
}

/* The index pages of a large image are there once. */
static void memory_of_a_large_image(void **state _unused_)
{
	const uint64_t n = 1u << 20, pages_kib = n * IMG_PAGE_ENTRY_BYTES >> 10;
	const uint8_t raw_digest[IMG_DIGEST_BYTES] = {3};
	struct img_writer_head head = {
		FIXTURE_META, strlen(FIXTURE_META), 7, raw_digest, NULL, 0, 0};
	struct img_chunk data = {.stored_bytes = 5000, .raw_bytes = 65536, .digest = {1}};
	struct rusage before, after;
	struct img_writer_tables t;
	struct img_writer *w;

	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(img_writer_new(65536, &w), 0);
	for (uint64_t ci = 0; ci < n; ci++)
		assert_int_equal(img_writer_add(w, &data), 0);
	assert_int_equal(img_writer_finish(w, &head, &t), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(t.info.pages_bytes, pages_kib << 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* Pages and seek table, and a little. */
	assert_in_range((uint64_t)(after.ru_maxrss - before.ru_maxrss), pages_kib,
			pages_kib + (t.info.seek_bytes >> 10) + 8192);
#endif
	img_writer_free(w);
	free(t.front);
	free(t.seek);
}

static void too_many_chunks(void **state _unused_)
{
	struct img_chunk zero;
	struct img_writer *w;

	img_zero_chunk_encode(65536, &zero);
	assert_int_equal(img_writer_new(65536, &w), 0);
	for (uint32_t ci = 0; ci < 1u << 26; ci++)
		if (img_writer_add(w, &zero) < 0)
			fail();
	assert_int_equal(img_writer_add(w, &zero), IMG_ERR_RANGE);
	img_writer_free(w);
}

static void refusals(void **state _unused_)
{
	const uint8_t raw_digest[IMG_DIGEST_BYTES] = {3};
	struct img_writer_head head = {"{}", 2, 0, raw_digest, NULL, 0, 0};
	struct img_writer_tables t;
	struct img_chunk c;
	struct img_writer *w = NULL;

	assert_int_equal(img_writer_new(65537, &w), IMG_ERR_FIELD);
	assert_int_equal(img_writer_new(32768, &w), IMG_ERR_FIELD);
	assert_int_equal(img_writer_new(8u << 20, &w), IMG_ERR_FIELD);
	assert_null(w);
	assert_int_equal(img_writer_new(65536, &w), 0);
	assert_int_equal(img_writer_finish(w, &head, &t), IMG_ERR_FIELD); /* no chunk */
	img_zero_chunk_encode(4097, &c);
	assert_int_equal(img_writer_add(w, &c), IMG_ERR_LENGTH);
	img_zero_chunk_encode(131072, &c);
	assert_int_equal(img_writer_add(w, &c), IMG_ERR_LENGTH);
	img_zero_chunk_encode(4096, &c);
	assert_int_equal(img_writer_add(w, &c), 0);
	assert_int_equal(img_writer_add(w, &c), IMG_ERR_RANGE); /* behind a short one */
	head.meta_bytes = 1;
	assert_int_equal(img_writer_finish(w, &head, &t), IMG_ERR_FIELD);
	head.meta_bytes = 65537;
	assert_int_equal(img_writer_finish(w, &head, &t), IMG_ERR_FIELD);
	head.meta_bytes = 2;
	head.version_number = 1ull << 63;
	assert_int_equal(img_writer_finish(w, &head, &t), IMG_ERR_FIELD);
	img_writer_free(w);
	img_writer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* Before others have taken more. */
		cmocka_unit_test(memory_of_a_large_image),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(golden_image),
		cmocka_unit_test(a_huge_sparse_image),
		cmocka_unit_test(too_many_chunks),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
