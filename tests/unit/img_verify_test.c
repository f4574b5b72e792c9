/* SPDX-License-Identifier: Apache-2.0 */
/*
 * img_verify_test.c - verify of what the tool cannot make: an image with a hot pack, and
 * files whose digests are all right but whose content breaks a rule
 *
 * The sources of the tool are included: they are in no library.
 */
#include "tests/unit/img_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "imgfmt/tool/hot_check.c"
#include "imgfmt/tool/hot_table.c"
#include "imgfmt/tool/http.c"
#include "imgfmt/tool/image_file.c"
#include "imgfmt/tool/progress.c"
#include "imgfmt/tool/ring.c"
#include "imgfmt/tool/tool.c"
#include "imgfmt/tool/verify.c"

static struct fixture f;
static char path[64];
static int file_fd, saved_stderr;

static int setup(void **state _unused_)
{
	f = fixture_small();
	file_fd = memfd_create("image", 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file_fd);
	/* Hundreds of refusals, each with its message. */
	saved_stderr = dup(STDERR_FILENO);
	assert_non_null(freopen("/dev/null", "w", stderr));
	return file_fd < 0;
}

static int teardown(void **state _unused_)
{
	fflush(stderr);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(file_fd);
	fixture_free(&f);
	return 0;
}

static int verify(void)
{
	const struct image_trust trust = {.digest = NULL};
	struct image_file file;
	int r;

	assert_int_equal(ftruncate(file_fd, 0), 0);
	assert_int_equal(pwrite(file_fd, f.file, f.n_bytes, 0), f.n_bytes);
	r = image_open(path, &trust, &file);
	if (r != EXIT_DONE)
		return r;
	r = verify_all(&file, 2);
	image_close(&file);
	return r;
}

/* Two frames: blocks 3-4 of chunk 0, then block 0 of chunk 3 and block 9 of chunk 2. */
static size_t make_hot_pack(const uint8_t *raw, uint8_t *ret, size_t *ret_table_bytes)
{
	static const struct {
		uint32_t ci, first, n, frame;
	} runs[] = {{0, 3, 2, 0}, {3, 0, 1, 1}, {2, 9, 1, 1}};
	struct img_encoder *e = img_encoder_new(65536, 3);
	struct disk_hot_table *t = (void *)ret;
	struct disk_hot_frame *frames = (void *)(t + 1);
	struct disk_hot_run *disk_runs = (void *)(frames + 2);
	uint8_t *end = (uint8_t *)(disk_runs + 3), blocks[2][8192];
	size_t used[2] = {0, 0};

	memset(t, 0, sizeof *t);
	memcpy(t->magic, DISK_HOT_MAGIC, 8);
	memcpy(t->raw_digest, f.info.raw_digest, 32);
	le64_store(t->image_bytes, f.info.image_bytes);
	le32_store(t->chunk_bytes, f.info.chunk_bytes);
	le32_store(t->n_frames, 2);
	le32_store(t->n_runs, 3);
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		size_t n = runs[i].n * 4096, *at = &used[runs[i].frame];

		le32_store(disk_runs[i].ci, runs[i].ci);
		le16_store(disk_runs[i].first_block, (uint16_t)runs[i].first);
		le16_store(disk_runs[i].n_blocks, (uint16_t)runs[i].n);
		memcpy(blocks[runs[i].frame] + *at,
		       raw + runs[i].ci * 65536 + runs[i].first * 4096, n);
		*at += n;
	}
	*ret_table_bytes = (size_t)(end - ret);
	for (size_t i = 0; i < 2; i++) {
		struct img_chunk c;

		assert_int_equal(img_chunk_encode(e, blocks[i], 8192, end, 70000, &c), 0);
		le32_store(frames[i].stored_bytes, c.stored_bytes);
		le32_store(frames[i].raw_bytes, 8192);
		memcpy(frames[i].digest, c.digest, 32);
		end += c.stored_bytes;
	}
	img_encoder_free(e);
	return (size_t)(end - ret);
}

static size_t make_seek(const struct img_info *info, const struct img *img, uint8_t *p)
{
	struct img_page *page = malloc(sizeof *page);
	struct img_chunk c;
	uint8_t *start = p;

	assert_int_equal(img_page_decode(img, 0, f.file + f.info.pages_off,
					 f.info.pages_bytes, page),
			 0);
	p += img_seek_front(info, p);
	for (uint64_t ci = 0; ci < info->n_chunks; ci++) {
		assert_int_equal(img_page_chunk(img, page, ci, &c), 0);
		p += img_seek_entry(c.stored_bytes, c.raw_bytes, p);
	}
	p += img_seek_end(info, p);
	free(page);
	return (size_t)(p - start);
}

/* The fixture with a hot pack between its index pages and DATA. */
static void add_hot_pack(const uint8_t *hot, size_t hot_bytes, size_t table_bytes)
{
	struct img *img = fixture_img_with_table(&f);
	struct img_info info = f.info;
	struct disk_head *h;
	uint8_t *file;

	info.hot_bytes = hot_bytes;
	info.hot_table_bytes = table_bytes;
	info.seek_bytes = img_seek_bytes(&info);
	img_layout(&info);
	file = malloc(info.file_bytes);
	memcpy(file, f.file, f.info.data_off);
	img_skip_header(hot_bytes, file + f.info.data_off);
	memcpy(file + info.hot_off, hot, hot_bytes);
	memcpy(file + info.data_off, f.file + f.info.data_off, f.info.data_bytes);
	assert_int_equal(make_seek(&info, img, file + info.seek_off), info.seek_bytes);
	img_free(img);
	le64_store(file + info.table_off, info.data_off);
	h = (void *)file;
	le64_store(h->hot.off, info.hot_off);
	le64_store(h->hot.n_bytes, hot_bytes);
	le64_store(h->hot_table_bytes, table_bytes);
	le64_store(h->data_off, info.data_off);
	le64_store(h->seek.off, info.seek_off);
	le64_store(h->seek.n_bytes, info.seek_bytes);
	le64_store(h->file_bytes, info.file_bytes);
	assert_int_equal(img_sha256(hot, table_bytes, h->hot.digest), 0);
	assert_int_equal(img_sha256(file + info.table_off, 40, h->table.digest), 0);
	assert_int_equal(
		img_sha256(file + info.seek_off, info.seek_bytes, h->seek.digest), 0);
	free(f.file);
	f = (struct fixture){file, info.file_bytes, info};
	fixture_seal(&f);
}

static void fixture_with_hot_pack(const uint8_t *raw)
{
	static uint8_t hot[200000];
	size_t table_bytes, n = make_hot_pack(raw, hot, &table_bytes);

	add_hot_pack(hot, n, table_bytes);
}

static void good_images(void **state _unused_)
{
	uint8_t *raw = fixture_raw();

	assert_int_equal(verify(), EXIT_DONE);
	fixture_with_hot_pack(raw);
	assert_int_equal(verify(), EXIT_DONE);
	free(raw);
}

/* In steps through the file, and every byte from the index pages to the end of the hot table. */
static void every_byte_counts(void **state _unused_)
{
	uint8_t *raw = fixture_raw();

	fixture_with_hot_pack(raw);
	for (size_t i = 0; i < f.n_bytes;) {
		f.file[i] ^= 1;
		assert_int_equal(verify(), EXIT_REFUSED);
		f.file[i] ^= 1;
		i += i >= f.info.pages_off && i < f.info.hot_off + 250 ? 1 : 211;
	}
	assert_int_equal(verify(), EXIT_DONE);
	free(raw);
}

/* All digests hold, but the pack's blocks are not the image's. */
static void a_hot_pack_of_other_blocks(void **state _unused_)
{
	uint8_t *raw = fixture_raw();

	raw[2 * 65536 + 9 * 4096 + 5] ^= 1;
	fixture_with_hot_pack(raw);
	assert_int_equal(verify(), EXIT_REFUSED);
	free(raw);
}

/* Index page 0 changed: all that is above it made right again. */
static void seal_page(void)
{
	struct disk_head *h = fixture_head(&f);
	struct disk_table_entry *e = (void *)(f.file + f.info.table_off);

	assert_int_equal(
		img_sha256(f.file + f.info.pages_off, f.info.pages_bytes, e->digest), 0);
	assert_int_equal(img_sha256(e, sizeof *e, h->table.digest), 0);
	fixture_seal(&f);
}

static void a_zero_chunk_that_is_not_marked(void **state _unused_)
{
	struct disk_page_entry *e = (void *)(f.file + f.info.pages_off);
	uint8_t frame[IMG_ZERO_FRAME_BYTES_MAX];
	uint32_t n = img_zero_frame(65536, frame);

	le32_store(e[1].stored_bytes, n);
	assert_int_equal(img_sha256(frame, n, e[1].digest), 0);
	seal_page();
	assert_int_equal(verify(), EXIT_REFUSED);
}

static void another_raw_digest(void **state _unused_)
{
	fixture_head(&f)->raw_digest[0] ^= 1;
	fixture_seal(&f);
	assert_int_equal(verify(), EXIT_REFUSED);
}

static void a_seek_table_with_other_content(void **state _unused_)
{
	struct disk_head *h = fixture_head(&f);
	uint8_t *seek = f.file + f.info.seek_off;

	for (size_t i = 0; i < f.info.seek_bytes; i++) {
		seek[i] ^= 1;
		assert_int_equal(img_sha256(seek, f.info.seek_bytes, h->seek.digest), 0);
		fixture_seal(&f);
		assert_int_equal(verify(), EXIT_REFUSED);
		seek[i] ^= 1;
	}
}

static void other_lengths(void **state _unused_)
{
	f.n_bytes--;
	assert_int_equal(verify(), EXIT_REFUSED);
	f.n_bytes = 4095;
	assert_int_equal(verify(), EXIT_REFUSED);
	f.n_bytes = 0;
	assert_int_equal(verify(), EXIT_REFUSED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(good_images),
		TEST(every_byte_counts),
		TEST(a_hot_pack_of_other_blocks),
		TEST(a_zero_chunk_that_is_not_marked),
		TEST(another_raw_digest),
		TEST(a_seek_table_with_other_content),
		TEST(other_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
