/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_index_test.c - page table and index pages, and what is refused of them
 */
#include "tests/unit/img_fixture.h"

#define PAGES 5u
#define LAST_CHUNKS 3u
#define CHUNKS ((PAGES - 1) * IMG_PAGE_ENTRIES + LAST_CHUNKS)

static struct fixture f;
static struct img_page page;

/*
 * 256 MiB and a bit in 64K chunks without making them: pages 1 and 3 are zero, the others
 * have one chunk of noise in each four.  The frames' bytes do not matter here.
 */
static int setup(void **state _unused_)
{
	struct img_writer_head head = {FIXTURE_META,
				       strlen(FIXTURE_META),
				       7,
				       (const uint8_t[IMG_DIGEST_BYTES]){1},
				       NULL,
				       0,
				       0};
	struct img_writer_tables t;
	struct img_writer *w;

	assert_int_equal(img_writer_new(65536, &w), 0);
	for (uint32_t ci = 0; ci < CHUNKS; ci++) {
		struct img_chunk c;

		img_zero_chunk_encode(ci + 1 < CHUNKS ? 65536 : 4096, &c);
		if (ci / IMG_PAGE_ENTRIES % 2 == 0 && ci % 4 == 0) {
			c.is_zero = false;
			c.stored_bytes = 1000 + ci;
			memset(c.digest, (int)(ci % 251) + 1, sizeof c.digest);
		}
		assert_int_equal(img_writer_add(w, &c), 0);
	}
	assert_int_equal(img_writer_finish(w, &head, &t), 0);
	f = (struct fixture){t.front, t.front_bytes, t.info};
	free(t.seek);
	img_writer_free(w);
	return 0;
}

static int teardown(void **state _unused_)
{
	fixture_free(&f);
	return 0;
}

static struct disk_table_entry *table(void)
{
	return (void *)(f.file + f.info.table_off);
}

static struct disk_page_entry *entries(uint32_t stored_page)
{
	return (void *)(f.file + f.info.pages_off + stored_page * DISK_PAGE_BYTES);
}

static void seal_table(void)
{
	assert_int_equal(
		img_sha256(table(), f.info.table_bytes, fixture_head(&f)->table.digest),
		0);
	fixture_seal(&f);
}

static void table_refused(int err)
{
	struct img *img;
	struct img_range place;

	seal_table();
	img = fixture_img(&f);
	assert_int_equal(img_err_kind(img_set_table(img, table(), f.info.table_bytes)),
			 err);
	assert_int_equal(img_page_locate(img, 0, &place), IMG_ERR_RANGE);
	img_free(img);
}

static int decode(const struct img *img, uint64_t p)
{
	struct img_range place;

	assert_int_equal(img_page_locate(img, p, &place), 0);
	return img_page_decode(img, p, place.n_bytes ? f.file + place.src_off : NULL,
			       place.n_bytes, &page);
}

static void page_0_refused(int err)
{
	struct img *img;

	assert_int_equal(img_sha256(entries(0), DISK_PAGE_BYTES, table()[0].digest), 0);
	seal_table();
	img = fixture_img_with_table(&f);
	page.page = 99;
	assert_int_equal(img_err_kind(decode(img, 0)), err);
	assert_int_equal(page.page, 99);
	img_free(img);
}

static void chunks_are_where_the_writer_put_them(void **state _unused_)
{
	struct img *img = fixture_img_with_table(&f);
	uint64_t src_off = f.info.data_off;

	for (uint32_t ci = 0; ci < CHUNKS; ci++) {
		bool is_zero = ci / IMG_PAGE_ENTRIES % 2 != 0 || ci % 4 != 0;
		uint32_t raw = ci + 1 < CHUNKS ? 65536 : 4096;
		struct img_chunk c;

		if (ci % IMG_PAGE_ENTRIES == 0)
			assert_int_equal(decode(img, img_page_of(ci)), 0);
		assert_int_equal(img_page_chunk(img, &page, ci, &c), 0);
		assert_int_equal(c.ci, ci);
		assert_int_equal(c.raw_bytes, raw);
		assert_int_equal(c.is_zero, is_zero);
		assert_int_equal(c.stored_bytes, is_zero ? 17 : 1000 + ci);
		assert_int_equal(c.src_off, src_off);
		assert_int_equal(c.digest[31], is_zero ? 0 : ci % 251 + 1);
		src_off += c.stored_bytes;
	}
	assert_int_equal(src_off, f.info.seek_off);
	img_free(img);
}

static void zero_pages_are_not_stored(void **state _unused_)
{
	struct img *img = fixture_img_with_table(&f);
	struct img_range place;

	assert_int_equal(f.info.pages_bytes, 2 * DISK_PAGE_BYTES + LAST_CHUNKS * 36);
	assert_int_equal(img_page_locate(img, 1, &place), 0);
	assert_int_equal(place.n_bytes, 0);
	assert_int_equal(decode(img, 1), 0);
	assert_true(page.is_zero);
	assert_int_equal(page.n_entries, IMG_PAGE_ENTRIES);
	assert_int_equal(img_page_locate(img, 4, &place), 0);
	assert_int_equal(place.src_off, f.info.pages_off + 2 * DISK_PAGE_BYTES);
	assert_int_equal(place.n_bytes, LAST_CHUNKS * 36);
	assert_int_equal(decode(img, 4), 0);
	assert_false(page.is_zero);
	img_free(img);
}

static void outside_the_image(void **state _unused_)
{
	struct img *img = fixture_img(&f);
	struct img_range place;
	struct img_chunk c;

	assert_int_equal(img_page_locate(img, 0, &place),
			 IMG_ERR_RANGE); /* no table yet */
	img_free(img);
	img = fixture_img_with_table(&f);
	assert_int_equal(img_page_locate(img, PAGES, &place), IMG_ERR_RANGE);
	assert_int_equal(img_page_locate(img, UINT64_MAX, &place), IMG_ERR_RANGE);
	assert_int_equal(img_page_decode(img, PAGES, NULL, 0, &page), IMG_ERR_RANGE);
	assert_int_equal(decode(img, 4), 0);
	assert_int_equal(img_page_chunk(img, &page, 0, &c), IMG_ERR_RANGE);
	assert_int_equal(img_page_chunk(img, &page, CHUNKS, &c), IMG_ERR_RANGE);
	assert_int_equal(img_page_chunk(img, &page, UINT64_MAX, &c), IMG_ERR_RANGE);
	img_free(img);
}

static void table_length_and_digest(void **state _unused_)
{
	struct img *img = fixture_img(&f);

	assert_int_equal(img_set_table(img, table(), f.info.table_bytes - 1),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_set_table(img, table(), f.info.table_bytes + 40),
			 IMG_ERR_LENGTH);
	table()[2].digest[0] ^= 1;
	assert_int_equal(img_set_table(img, table(), f.info.table_bytes), IMG_ERR_DIGEST);
	img_free(img);
}

static void table_offsets(void **state _unused_)
{
	const uint64_t wrong[] = {0, 1, DISK_ZERO_PAGE - 1};

	for (uint32_t p = 0; p < PAGES; p++) {
		uint64_t old = le64_load(table()[p].off), flag = old & DISK_ZERO_PAGE;

		for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
			le64_store(table()[p].off, wrong[i] | flag);
			table_refused(IMG_ERR_FIELD);
		}
		le64_store(table()[p].off, old);
	}
	/* One byte off: page 1 is a ZERO PAGE and has an exact length. */
	le64_store(table()[1].off, le64_load(table()[1].off) + 1);
	table_refused(IMG_ERR_FIELD);
}

/* Page 0 gets this room and all behind it moves along, so nothing else is wrong. */
static int check_room_of_page_0(uint64_t room)
{
	struct disk_head *h = fixture_head(&f);
	uint64_t old = (le64_load(table()[1].off) & ~DISK_ZERO_PAGE) - f.info.data_off;
	uint64_t change = room - old;
	struct img *img;
	int r;

	for (uint32_t p = 1; p < PAGES; p++)
		le64_store(table()[p].off, le64_load(table()[p].off) + change);
	le64_store(h->data_bytes, le64_load(h->data_bytes) + change);
	le64_store(h->seek.off, le64_load(h->seek.off) + change);
	le64_store(h->file_bytes, le64_load(h->file_bytes) + change);
	seal_table();
	img = fixture_img(&f);
	r = img_set_table(img, table(), f.info.table_bytes);
	img_free(img);
	return r;
}

static void table_room_of_a_page(void **state _unused_)
{
	const uint64_t least = IMG_PAGE_ENTRIES * 12,
		       most = IMG_PAGE_ENTRIES * (65536 + 256 + 64);

	assert_int_equal(check_room_of_page_0(least), 0);
	assert_int_equal(check_room_of_page_0(least - 1), IMG_FAULT_TABLE_LITTLE);
	assert_int_equal(check_room_of_page_0(most), 0);
	assert_int_equal(check_room_of_page_0(most + 1), IMG_FAULT_TABLE_MUCH);
}

static void table_zero_page_flag(void **state _unused_)
{
	table()[1].digest[5] = 1; /* a ZERO PAGE with a digest */
	table_refused(IMG_ERR_RESERVED);
	table()[1].digest[5] = 0;
	le64_store(table()[1].off, le64_load(table()[1].off) & ~DISK_ZERO_PAGE);
	table_refused(IMG_ERR_FIELD); /* no ZERO PAGE, and no digest */
	table()[1].digest[5] = 1;
	table_refused(
		IMG_ERR_FIELD); /* more stored pages than INDEX PAGES has room for */
	table()[1].digest[5] = 0;
	le64_store(table()[1].off, le64_load(table()[1].off) | DISK_ZERO_PAGE);
	memset(table()[0].digest, 0, 32);
	le64_store(table()[0].off, le64_load(table()[0].off) | DISK_ZERO_PAGE);
	table_refused(IMG_ERR_FIELD); /* too much room for zero frames */
}

static void page_length_and_digest(void **state _unused_)
{
	struct img *img = fixture_img_with_table(&f);

	assert_int_equal(img_page_decode(img, 0, entries(0), DISK_PAGE_BYTES - 36, &page),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_page_decode(img, 0, NULL, 0, &page), IMG_ERR_LENGTH);
	assert_int_equal(img_page_decode(img, 1, entries(0), DISK_PAGE_BYTES, &page),
			 IMG_ERR_LENGTH);
	for (size_t i = 0; i < DISK_PAGE_BYTES; i += 1117) {
		f.file[f.info.pages_off + i] ^= 4;
		assert_int_equal(decode(img, 0), IMG_ERR_DIGEST);
		f.file[f.info.pages_off + i] ^= 4;
	}
	assert_int_equal(decode(img, 0), 0);
	img_free(img);
}

static void page_stored_lengths(void **state _unused_)
{
	const uint32_t wrong[] = {0, 11, 999, 1001, 65536 + 256 + 65, 0x7fffffff};
	const uint32_t wrong_zero[] = {0, 16, 18, 0x7fffffff};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		le32_store(entries(0)[0].stored_bytes, wrong[i]);
		page_0_refused(IMG_ERR_FIELD);
	}
	le32_store(entries(0)[0].stored_bytes, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(wrong_zero); i++) {
		le32_store(entries(0)[1].stored_bytes, wrong_zero[i] | DISK_ZERO_CHUNK);
		page_0_refused(IMG_ERR_FIELD);
	}
}

/* One length beyond its limit, and others that make up for it in the sum. */
static void page_length_in_a_right_sum(void **state _unused_)
{
	const uint32_t most = 65536 + 256 + 64;
	int64_t left = most + 1 - 1000;

	le32_store(entries(0)[0].stored_bytes, 11);
	le32_store(entries(0)[4].stored_bytes, 1004 + 1000 - 11);
	page_0_refused(IMG_ERR_FIELD);
	le32_store(entries(0)[4].stored_bytes, 1004);
	le32_store(entries(0)[0].stored_bytes, most + 1);
	for (uint32_t i = 4; left > 0; i += 4) {
		uint32_t take = left > 900 ? 900 : (uint32_t)left;

		le32_store(entries(0)[i].stored_bytes, 1000 + i - take);
		left -= take;
	}
	page_0_refused(IMG_ERR_FIELD);
}

static void page_zero_length_in_a_right_sum(void **state _unused_)
{
	le32_store(entries(0)[1].stored_bytes, 18 | DISK_ZERO_CHUNK);
	le32_store(entries(0)[2].stored_bytes, 16 | DISK_ZERO_CHUNK);
	page_0_refused(IMG_ERR_FIELD);
}

static void page_zero_chunk_with_digest(void **state _unused_)
{
	entries(0)[1].digest[31] = 1;
	page_0_refused(IMG_ERR_RESERVED);
}

static void page_without_any_data(void **state _unused_)
{
	uint64_t room = 0;

	for (uint32_t i = 0; i < IMG_PAGE_ENTRIES; i++) {
		memset(&entries(0)[i], 0, sizeof entries(0)[i]);
		le32_store(entries(0)[i].stored_bytes, 17 | DISK_ZERO_CHUNK);
		room += 17;
	}
	assert_int_equal(img_sha256(entries(0), DISK_PAGE_BYTES, table()[0].digest), 0);
	/* Give page 2 what page 0 has too much, so that only the rule itself is left
	 * to refuse it. */
	le64_store(table()[1].off, (f.info.data_off + room) | DISK_ZERO_PAGE);
	le64_store(table()[2].off, f.info.data_off + 2 * room);
	page_0_refused(IMG_ERR_FIELD);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(chunks_are_where_the_writer_put_them),
		TEST(zero_pages_are_not_stored),
		TEST(outside_the_image),
		TEST(table_length_and_digest),
		TEST(table_offsets),
		TEST(table_room_of_a_page),
		TEST(table_zero_page_flag),
		TEST(page_length_and_digest),
		TEST(page_stored_lengths),
		TEST(page_length_in_a_right_sum),
		TEST(page_zero_length_in_a_right_sum),
		TEST(page_zero_chunk_with_digest),
		TEST(page_without_any_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
