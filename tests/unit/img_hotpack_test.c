/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_hotpack_test.c - the hot table: decoded when right, refused field by field
 *
 * HEAD and table are made by hand here, so that they can be wrong in any way.
 */
#include "tests/unit/img_fixture.h"

#define FRAMES 2u
#define RUNS 3u

static struct fixture f;

static struct {
	struct disk_hot_table t;
	struct disk_hot_frame frames[FRAMES];
	struct disk_hot_run runs[RUNS];
	uint8_t stored[100 + 50];
} hot;

static const size_t table_bytes = sizeof hot - sizeof hot.stored;

static void set_run(uint32_t i, uint32_t ci, uint16_t first, uint16_t n)
{
	le32_store(hot.runs[i].ci, ci);
	le16_store(hot.runs[i].first_block, first);
	le16_store(hot.runs[i].n_blocks, n);
}

static void make_table(void)
{
	memset(&hot, 0, sizeof hot);
	memcpy(hot.t.magic, "HYDRHOT1", 8);
	memcpy(hot.t.raw_digest, f.info.raw_digest, 32);
	le64_store(hot.t.image_bytes, FIXTURE_RAW_BYTES);
	le32_store(hot.t.chunk_bytes, FIXTURE_CHUNK_BYTES);
	le32_store(hot.t.n_frames, FRAMES);
	le32_store(hot.t.n_runs, RUNS);
	le32_store(hot.frames[0].stored_bytes, 100);
	le32_store(hot.frames[0].raw_bytes, 3 * 4096);
	le32_store(hot.frames[1].stored_bytes, 50);
	le32_store(hot.frames[1].raw_bytes, 2 * 4096);
	set_run(0, 2, 4, 2);
	set_run(1, 0, 15, 1);
	set_run(2, 3, 0, 2);
}

/* HEAD of an image whose hot pack this is; what lies behind moves. */
static void put_in_head(void)
{
	struct disk_head *h = fixture_head(&f);
	struct img_info info = f.info;

	info.hot_bytes = sizeof hot;
	info.seek_bytes = img_seek_bytes(&info);
	img_layout(&info);
	le64_store(h->hot.off, info.hot_off);
	le64_store(h->hot.n_bytes, info.hot_bytes);
	le64_store(h->hot_table_bytes, table_bytes);
	le64_store(h->data_off, info.data_off);
	le64_store(h->seek.off, info.seek_off);
	le64_store(h->seek.n_bytes, info.seek_bytes);
	le64_store(h->file_bytes, info.file_bytes);
	assert_int_equal(img_sha256(&hot, table_bytes, h->hot.digest), 0);
	fixture_seal(&f);
}

static int setup(void **state _unused_)
{
	f = fixture_small();
	make_table();
	return 0;
}

static int teardown(void **state _unused_)
{
	fixture_free(&f);
	return 0;
}

static void refused(int err)
{
	struct img_hot *h = NULL;
	struct img *img;

	put_in_head();
	img = fixture_img(&f);
	assert_int_equal(img_err_kind(img_hot_new(img, &hot, table_bytes, &h)), err);
	assert_null(h);
	img_free(img);
	make_table();
}

static void good(void **state _unused_)
{
	struct img_hot *h = NULL;
	struct img *img;

	put_in_head();
	img = fixture_img(&f);
	assert_int_equal(img_info(img)->hot_table_bytes, table_bytes);
	assert_int_equal(img_hot_new(img, &hot, table_bytes, &h), 0);
	assert_int_equal(h->n_frames, 2);
	assert_int_equal(h->frames[0].hot_off, table_bytes);
	assert_int_equal(h->frames[1].hot_off, table_bytes + 100);
	assert_int_equal(h->frames[0].n_runs, 2);
	assert_int_equal(h->frames[1].first_run, 2);
	assert_int_equal(h->frames[1].n_runs, 1);
	assert_int_equal(h->runs[1].ci, 0);
	assert_int_equal(h->runs[1].first_block, 15);
	img_hot_free(h);
	img_hot_free(NULL);
	img_free(img);
}

static void none_in_the_image(void **state _unused_)
{
	struct img *img = fixture_img(&f);
	struct img_hot *h;

	assert_int_equal(img_hot_new(img, &hot, table_bytes, &h), IMG_ERR_RANGE);
	img_free(img);
}

static void length_and_digest(void **state _unused_)
{
	struct img_hot *h;
	struct img *img;

	put_in_head();
	img = fixture_img(&f);
	assert_int_equal(img_hot_new(img, &hot, table_bytes - 1, &h), IMG_ERR_LENGTH);
	hot.runs[0].ci[0] ^= 1;
	assert_int_equal(img_hot_new(img, &hot, table_bytes, &h), IMG_ERR_DIGEST);
	img_free(img);
}

static void header(void **state _unused_)
{
	hot.t.magic[7] = '2';
	refused(IMG_ERR_MAGIC);
	hot.t.raw_digest[0] ^= 1;
	refused(IMG_ERR_FIELD);
	le64_store(hot.t.image_bytes, FIXTURE_RAW_BYTES + 4096);
	refused(IMG_ERR_FIELD);
	le32_store(hot.t.chunk_bytes, 131072);
	refused(IMG_ERR_FIELD);
	hot.t.reserved[3] = 1;
	refused(IMG_ERR_RESERVED);
}

static void counts(void **state _unused_)
{
	const uint32_t wrong[] = {0, 1, 5, 65537, 1048577, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		le32_store(hot.t.n_frames, wrong[i]);
		refused(IMG_ERR_FIELD);
		le32_store(hot.t.n_runs, wrong[i]);
		refused(IMG_ERR_FIELD);
	}
}

static void frames(void **state _unused_)
{
	const uint32_t stored[] = {0, 11, 99, 101, 262144 + 1024 + 65, UINT32_MAX};
	const uint32_t raw[] = {0, 4095, 4096, 4 * 4096, 262144 + 4096, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
		le32_store(hot.frames[0].stored_bytes, stored[i]);
		refused(IMG_ERR_FIELD);
		le32_store(hot.frames[0].raw_bytes, raw[i]);
		refused(IMG_ERR_FIELD);
	}
}

static void runs(void **state _unused_)
{
	const struct {
		uint32_t ci;
		uint16_t first, n;
	} wrong[] = {
		{2, 4, 0},  {2, 4, 1},
		{2, 4, 3}, /* none, too few, too many for the frame */
		{2, 15, 2}, {2, 65535, 2}, /* beyond the chunk */
		{3, 1, 2}, /* beyond the short last chunk */
		{4, 0, 2},  {UINT32_MAX, 0, 2}, /* beyond the image */
		{0, 14, 2}, {3, 0, 2}, /* over another run */
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		set_run(0, wrong[i].ci, wrong[i].first, wrong[i].n);
		refused(IMG_ERR_FIELD);
	}
}

static void a_frame_too_short_in_a_right_sum(void **state _unused_)
{
	le32_store(hot.frames[0].stored_bytes, 11);
	le32_store(hot.frames[1].stored_bytes, 139);
	refused(IMG_ERR_FIELD);
}

static void head_refused(void)
{
	struct img *img = NULL;

	fixture_seal(&f);
	assert_int_equal(img_err_kind(img_new(f.file, f.n_bytes, &img)), IMG_ERR_FIELD);
	assert_null(img);
	put_in_head();
}

static void limits_in_head(void **state _unused_)
{
	struct disk_head *h = fixture_head(&f);

	put_in_head();
	le64_store(h->hot_table_bytes, 111);
	head_refused();
	le64_store(h->hot_table_bytes, sizeof hot + 1);
	head_refused();
	memset(h->hot.digest, 0, 32);
	head_refused();
	le64_store(h->hot.off, le64_load(h->hot.off) + 1);
	head_refused();
	le64_store(h->hot.off, 0);
	head_refused();
	le64_store(h->hot.n_bytes, (1ull << 30) + 1);
	head_refused();
}

/* All offsets right, and only the lengths beyond their limits. */
static void lengths_beyond_limits(void **state _unused_)
{
	const struct {
		uint64_t hot_bytes, table_bytes;
		int err;
	} cases[] = {
		{1ull << 30, 11010112, 0},
		{(1ull << 30) + 1, 11010112, IMG_ERR_FIELD},
		{1ull << 30, 11010113, IMG_ERR_FIELD},
		{112, 112, 0},
		{112, 113, IMG_ERR_FIELD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t more = cases[i].hot_bytes - sizeof hot;
		struct disk_head *h = fixture_head(&f);
		struct img *img = NULL;

		put_in_head();
		le64_store(h->hot.n_bytes, cases[i].hot_bytes);
		le64_store(h->hot_table_bytes, cases[i].table_bytes);
		le64_store(h->data_off, le64_load(h->data_off) + more);
		le64_store(h->seek.off, le64_load(h->seek.off) + more);
		le64_store(h->file_bytes, le64_load(h->file_bytes) + more);
		fixture_seal(&f);
		assert_int_equal(img_err_kind(img_new(f.file, f.n_bytes, &img)),
				 cases[i].err);
		img_free(img);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(good),
		TEST(none_in_the_image),
		TEST(length_and_digest),
		TEST(header),
		TEST(counts),
		TEST(frames),
		TEST(runs),
		TEST(limits_in_head),
		TEST(a_frame_too_short_in_a_right_sum),
		TEST(lengths_beyond_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
