// SPDX-License-Identifier: Apache-2.0
/*
 * img_hotwriter_test.c - what the writer makes is what the reader takes; PACK HEAD field
 * by field
 */
#include "tests/unit/img_fixture.h"

#include "imgfmt/hotpack.h"

static struct fixture f;
static uint8_t *raw;
static struct img *img;

static int setup(void **state _unused_)
{
	raw = fixture_raw();
	f = fixture_small();
	img = fixture_img_with_table(&f);
	return 0;
}

static int teardown(void **state _unused_)
{
	img_free(img);
	fixture_free(&f);
	free(raw);
	return 0;
}

/* A side file in memory, of runs of blocks. */
struct side {
	uint8_t *file;
	size_t n_bytes, table_bytes;
};

static size_t encode_all(struct img_hot_writer *w, uint8_t *to)
{
	const struct img_hot *hot = img_hot_writer_layout(w);
	uint32_t room = img_stored_bytes_max(IMG_HOT_FRAME_RAW_MAX), n;
	uint8_t *blocks = malloc(IMG_HOT_FRAME_RAW_MAX);
	size_t n_bytes = 0;

	for (uint32_t i = 0; i < hot->n_frames; i++) {
		size_t at = 0;

		for (uint32_t k = 0; k < hot->frames[i].n_runs; k++) {
			const struct img_hot_run *run =
				&hot->runs[hot->frames[i].first_run + k];

			memcpy(blocks + at,
			       raw + run->ci * FIXTURE_CHUNK_BYTES +
				       (size_t)run->first_block * 4096,
			       (size_t)run->n_blocks * 4096);
			at += (size_t)run->n_blocks * 4096;
		}
		assert_int_equal(at, hot->frames[i].raw_bytes);
		assert_int_equal(
			img_hot_writer_encode(w, i, blocks, to + n_bytes, room, &n), 0);
		n_bytes += n;
	}
	free(blocks);
	return n_bytes;
}

static struct side make_side(struct img_hot_writer *w)
{
	struct side s;
	uint8_t *frames = malloc(2 * img_stored_bytes_max(IMG_HOT_FRAME_RAW_MAX));
	size_t frames_bytes = encode_all(w, frames);
	uint64_t hot_bytes;
	void *table;

	assert_int_equal(img_hot_writer_finish(w, f.info.raw_digest, &table,
					       &s.table_bytes, &hot_bytes),
			 0);
	assert_int_equal(hot_bytes, s.table_bytes + frames_bytes);
	s.n_bytes = IMG_PACK_FRONT_BYTES + hot_bytes;
	s.file = malloc(s.n_bytes);
	assert_int_equal(img_pack_front(img_info(img)->digest, table, s.table_bytes,
					hot_bytes, s.file),
			 0);
	memcpy(s.file + IMG_PACK_FRONT_BYTES, table, s.table_bytes);
	memcpy(s.file + IMG_PACK_FRONT_BYTES + s.table_bytes, frames, frames_bytes);
	free(table);
	free(frames);
	return s;
}

static struct img_hot_writer *new_writer(void)
{
	struct img_hot_writer *w;

	assert_int_equal(
		img_hot_writer_new(FIXTURE_RAW_BYTES, FIXTURE_CHUNK_BYTES, 3, &w), 0);
	return w;
}

static struct side some_side(void)
{
	struct img_hot_writer *w = new_writer();
	struct side s;

	assert_int_equal(img_hot_writer_add(w, 30, 4), 0);
	assert_int_equal(img_hot_writer_add(w, 2, 3), 0);
	assert_int_equal(img_hot_writer_add(w, 29, 3), 0);
	assert_int_equal(img_hot_writer_add(w, 48, 2), 0);
	s = make_side(w);
	img_hot_writer_free(w);
	return s;
}

static void runs_and_frames(void **state _unused_)
{
	struct img_hot_writer *w = new_writer();
	const struct img_hot *hot = img_hot_writer_layout(w);

	/* Over a chunk's end; again, of which one block is new; the rest of the image but one. */
	assert_int_equal(img_hot_writer_add(w, 30, 4), 0);
	assert_int_equal(hot->n_runs, 2);
	assert_int_equal(img_hot_writer_add(w, 30, 5), 0);
	assert_int_equal(hot->n_runs, 2);
	assert_int_equal(hot->runs[1].n_blocks, 3);
	assert_int_equal(img_hot_writer_add(w, 0, 49), 0);
	assert_int_equal(hot->n_frames, 1);
	assert_int_equal(hot->frames[0].raw_bytes, 49 * 4096);
	assert_int_equal(img_hot_writer_add(w, 49, 2), IMG_ERR_RANGE);
	assert_int_equal(img_hot_writer_add(w, 50, 1), IMG_ERR_RANGE);
	assert_int_equal(img_hot_writer_add(w, UINT64_MAX, 2), IMG_ERR_RANGE);
	assert_int_equal(img_hot_writer_add(w, 2, UINT64_MAX), IMG_ERR_RANGE);
	img_hot_writer_free(w);
}

static void frames_are_full(void **state _unused_)
{
	struct img_hot_writer *w;
	const struct img_hot *hot;
	uint32_t run = 0;

	assert_int_equal(img_hot_writer_new(1 << 24, FIXTURE_CHUNK_BYTES, 3, &w), 0);
	hot = img_hot_writer_layout(w);
	for (uint64_t b = 0; b < 300; b += 3)
		assert_int_equal(img_hot_writer_add(w, b * 5, 3), 0);
	assert_int_equal(hot->n_frames, 5);
	for (uint32_t i = 0; i < hot->n_frames; i++) {
		uint32_t n_bytes = 0;

		assert_int_equal(hot->frames[i].first_run, run);
		for (uint32_t k = 0; k < hot->frames[i].n_runs; k++)
			n_bytes += hot->runs[run++].n_blocks * 4096;
		assert_int_equal(n_bytes, hot->frames[i].raw_bytes);
		assert_true(i == 4 || n_bytes == IMG_HOT_FRAME_RAW_MAX);
	}
	assert_int_equal(run, hot->n_runs);
	img_hot_writer_free(w);
	img_hot_writer_free(NULL);
}

static void wrong_use(void **state _unused_)
{
	uint8_t buf[4096] = {1};
	struct img_hot_writer *w;
	uint64_t hot_bytes;
	uint32_t n;
	size_t n_bytes;
	void *table;

	assert_int_equal(img_hot_writer_new(4096, 1000, 3, &w), IMG_ERR_FIELD);
	assert_int_equal(img_hot_writer_new(0, 65536, 3, &w), IMG_ERR_FIELD);
	w = new_writer();
	assert_int_equal(img_hot_writer_finish(w, buf, &table, &n_bytes, &hot_bytes),
			 IMG_ERR_FIELD);
	assert_int_equal(img_hot_writer_add(w, 1, 1), 0);
	assert_int_equal(img_hot_writer_finish(w, buf, &table, &n_bytes, &hot_bytes),
			 IMG_ERR_FIELD);
	assert_int_equal(img_hot_writer_encode(w, 1, buf, buf, sizeof buf, &n),
			 IMG_ERR_RANGE);
	assert_int_equal(img_hot_writer_encode(w, 0, buf, buf, sizeof buf, &n),
			 IMG_ERR_LENGTH);
	img_hot_writer_free(w);
}

static void round_trip(void **state _unused_)
{
	struct side s = some_side();
	struct img_decoder *d = img_decoder_new();
	uint8_t *blocks = malloc(IMG_HOT_FRAME_RAW_MAX);
	const struct img_pack_info *info;
	struct img_pack *pack;
	struct img_hot *hot;

	assert_int_equal(img_pack_new(s.file, s.n_bytes, &pack), 0);
	info = img_pack_info(pack);
	assert_int_equal(info->file_bytes, s.n_bytes);
	assert_int_equal(info->hot_off, IMG_PACK_FRONT_BYTES);
	assert_int_equal(info->hot_table_bytes, s.table_bytes);
	assert_int_equal(img_pack_hot_new(pack, img, s.file + info->hot_off,
					  info->hot_table_bytes, &hot),
			 0);
	assert_int_equal(hot->n_frames, 1);
	assert_int_equal(hot->n_runs, 5);
	assert_int_equal(hot->runs[2].first_block, 2);
	assert_int_equal(hot->runs[3].first_block, 13);
	assert_int_equal(
		img_hot_frame_decode(d, &hot->frames[0],
				     s.file + info->hot_off + hot->frames[0].hot_off,
				     hot->frames[0].stored_bytes, blocks),
		0);
	assert_memory_equal(blocks, raw + 30 * 4096, 4 * 4096);
	assert_memory_equal(blocks + 4 * 4096, raw + 2 * 4096, 3 * 4096);
	assert_memory_equal(blocks + 7 * 4096, raw + 29 * 4096, 4096);
	assert_memory_equal(blocks + 8 * 4096, raw + 48 * 4096, 2 * 4096);
	assert_int_equal(img_hot_frame_decode(d, &hot->frames[0], s.file,
					      hot->frames[0].stored_bytes, blocks),
			 IMG_ERR_DIGEST);
	assert_int_equal(img_hot_frame_decode(d, &hot->frames[0], s.file, 3, blocks),
			 IMG_ERR_LENGTH);
	assert_int_equal(img_pack_check_signature(pack, "x", 1), IMG_ERR_KEY);
	img_hot_free(hot);
	img_pack_free(pack);
	img_pack_free(NULL);
	img_decoder_free(d);
	free(blocks);
	free(s.file);
}

static void of_another_image(void **state _unused_)
{
	struct side s = some_side();
	struct fixture other = fixture_build(raw, FIXTURE_CHUNK_BYTES, 65536);
	struct img *other_img = fixture_img(&other);
	struct img_pack *pack;
	struct img_hot *hot;

	assert_int_equal(img_pack_new(s.file, s.n_bytes, &pack), 0);
	assert_int_equal(img_pack_hot_new(pack, other_img, s.file + IMG_PACK_FRONT_BYTES,
					  s.table_bytes, &hot),
			 IMG_ERR_DIGEST);
	assert_int_equal(img_pack_hot_new(pack, img, s.file + IMG_PACK_FRONT_BYTES,
					  s.table_bytes - 1, &hot),
			 IMG_ERR_LENGTH);
	s.file[IMG_PACK_FRONT_BYTES + 70] ^= 1;
	assert_int_equal(img_pack_hot_new(pack, img, s.file + IMG_PACK_FRONT_BYTES,
					  s.table_bytes, &hot),
			 IMG_ERR_DIGEST);
	img_pack_free(pack);
	img_free(other_img);
	fixture_free(&other);
	free(s.file);
}

static void seal(uint8_t *head)
{
	struct disk_pack *h = (void *)head;

	assert_int_equal(img_sha256(h, DISK_SIGNED_BYTES, h->digest), 0);
	assert_int_equal(img_sha256(h, offsetof(struct disk_pack, checksum), h->checksum),
			 0);
}

/* A byte of PACK HEAD is another, and all digests are right again. */
static void head_fields(void **state _unused_)
{
	static const struct {
		size_t at;
		uint8_t flip;
		int err;
	} cases[] = {
		{0, 1, IMG_ERR_MAGIC},
		{4, 1, IMG_ERR_FIELD},
		{8, 1, IMG_ERR_MAGIC},
		{16, 2, IMG_ERR_VERSION},
		{20, 1, IMG_ERR_RESERVED},
		{24, 1, IMG_ERR_FEATURE},
		{28, 1, 0},
		{64, 1, IMG_ERR_FIELD},
		{72, 1, IMG_ERR_FIELD},
		{80, 1, IMG_ERR_FIELD},
		{87, 0x80, IMG_ERR_FIELD},
		{120, 0xff, IMG_ERR_FIELD},
		{127, 0x80, IMG_ERR_FIELD},
		{128, 1, IMG_ERR_RESERVED},
		{511, 1, IMG_ERR_RESERVED},
		{544, 5, IMG_ERR_FIELD},
		{544, 1, IMG_ERR_FIELD},
		{548, 1, IMG_ERR_RESERVED},
		{600, 1, IMG_ERR_RESERVED},
		{4063, 1, IMG_ERR_RESERVED},
	};
	struct side s = some_side();
	struct img_pack *pack;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t head[IMG_PACK_HEAD_BYTES];

		memcpy(head, s.file, sizeof head);
		head[cases[i].at] ^= cases[i].flip;
		seal(head);
		pack = NULL;
		assert_int_equal(img_err_kind(img_pack_new(head, sizeof head, &pack)),
				 cases[i].err);
		assert_true(!pack == (cases[i].err != 0));
		img_pack_free(pack);
	}
	for (size_t at = 0; at < IMG_PACK_HEAD_BYTES; at++) {
		s.file[at] ^= 0x10;
		assert_int_not_equal(img_pack_new(s.file, s.n_bytes, &pack), 0);
		s.file[at] ^= 0x10;
	}
	assert_int_equal(img_pack_new(s.file, IMG_PACK_HEAD_BYTES - 1, &pack),
			 IMG_ERR_SHORT);
	free(s.file);
}

/* The writer says of each chunk what the index will say. */
static void chunks_of_the_writer(void **state _unused_)
{
	const uint8_t raw_digest[IMG_DIGEST_BYTES] = {1};
	struct img_writer_head head = {
		FIXTURE_META, strlen(FIXTURE_META), 7, raw_digest, NULL, 0, 0};
	struct img_chunk data = {.stored_bytes = 5000, .raw_bytes = 65536, .digest = {9}};
	struct img_chunk zero, got, want;
	struct img_page *page = malloc(sizeof *page);
	struct img_writer_tables t;
	struct img_writer *w;
	struct img_range range;
	struct img *made;
	/* Data, a ZERO PAGE, data and zeros mixed. */
	const uint64_t n = 2 * 1024 + 77;

	img_zero_chunk_encode(65536, &zero);
	assert_int_equal(img_writer_new(65536, &w), 0);
	for (uint64_t ci = 0; ci < n; ci++) {
		bool is_zero = ci / 1024 == 1 || (ci > 2048 && ci % 3 == 0);

		data.stored_bytes = 5000 + (uint32_t)ci;
		assert_int_equal(img_writer_add(w, is_zero ? &zero : &data), 0);
	}
	assert_int_equal(img_writer_image_bytes(w), n * 65536);
	struct img_chunk *said = calloc(n, sizeof *said);
	for (uint64_t ci = 0; ci < n; ci++)
		assert_int_equal(img_writer_chunk(w, ci, &said[ci]), 0);
	assert_int_equal(img_writer_chunk(w, n, &got), IMG_ERR_RANGE);
	assert_int_equal(img_writer_finish(w, &head, &t), 0);
	assert_int_equal(img_new(t.front, t.front_bytes, &made), 0);
	assert_int_equal(img_set_table(made, (uint8_t *)t.front + t.info.table_off,
				       t.info.table_bytes),
			 0);
	for (uint64_t ci = 0; ci < n; ci++) {
		if (ci % 1024 == 0) {
			assert_int_equal(img_page_locate(made, ci / 1024, &range), 0);
			assert_int_equal(img_page_decode(made, ci / 1024,
							 range.n_bytes
								 ? (uint8_t *)t.front +
									   range.src_off
								 : NULL,
							 range.n_bytes, page),
					 0);
		}
		got = said[ci];
		assert_int_equal(img_page_chunk(made, page, ci, &want), 0);
		assert_int_equal(got.src_off + t.info.data_off, want.src_off);
		assert_int_equal(got.stored_bytes, want.stored_bytes);
		assert_int_equal(got.raw_bytes, want.raw_bytes);
		assert_int_equal(got.is_zero, want.is_zero);
		assert_memory_equal(got.digest, want.digest, sizeof got.digest);
	}
	img_free(made);
	img_writer_free(w);
	free(said);
	free(page);
	free(t.front);
	free(t.seek);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(runs_and_frames),	    TEST(frames_are_full),  TEST(wrong_use),
		TEST(round_trip),	    TEST(of_another_image), TEST(head_fields),
		TEST(chunks_of_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
