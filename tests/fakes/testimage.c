/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testimage.c - see testimage.h
 */
#include "tests/fakes/testimage.h"

#include <assert.h>

#include "imgfmt/hotpack.h"
#include "imgfmt/writer.h"

#define META "{\"filesystem\":\"ext4\",\"version_number\":7}"
const char *testimage_meta = META;

#define BLOCKS_PER_CHUNK (TESTIMAGE_CHUNK_BYTES / IMG_BLOCK_BYTES)

void testimage_block(const struct testimage *t, uint64_t block, uint8_t *ret)
{
	uint64_t x = (block + 1) * UINT64_C(0x9e3779b97f4a7c15);

	memset(ret, 0, IMG_BLOCK_BYTES);
	if (t->is_zero && t->is_zero(block / BLOCKS_PER_CHUNK))
		return;
	/* A fourth of it is noise, so that it compresses like a filesystem. */
	for (unsigned i = 0; i < IMG_BLOCK_BYTES; i += 8) {
		if (i % 32 == 0)
			x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		le64_store(ret + i, x);
	}
}

void testimage_read(const struct testimage *t, uint64_t img_off, void *buf,
		    size_t n_bytes)
{
	assert(img_off % IMG_BLOCK_BYTES == 0 && n_bytes % IMG_BLOCK_BYTES == 0);
	for (size_t at = 0; at < n_bytes; at += IMG_BLOCK_BYTES)
		testimage_block(t, (img_off + at) / IMG_BLOCK_BYTES, (uint8_t *)buf + at);
}

/* Append one chunk's frame at *at of t->file and tell the writer. */
static void add_chunk(struct testimage *t, struct img_writer *w, struct img_encoder *e,
		      uint64_t ci, uint32_t n_bytes, uint8_t *ret_frame, size_t *at)
{
	uint8_t raw[TESTIMAGE_CHUNK_BYTES];
	struct img_chunk chunk;
	int err = 0;

	if (t->is_zero && t->is_zero(ci)) {
		img_zero_chunk_encode(n_bytes, &chunk);
		img_zero_frame(n_bytes, ret_frame + *at);
	} else {
		testimage_read(t, ci * TESTIMAGE_CHUNK_BYTES, raw, n_bytes);
		err = img_chunk_encode(e, raw, n_bytes, ret_frame + *at,
				       img_stored_bytes_max(TESTIMAGE_CHUNK_BYTES),
				       &chunk);
	}
	assert(err == 0);
	*at += chunk.stored_bytes;
	err = img_writer_add(w, &chunk);
	assert(err == 0);
	(void)err;
}

/* The table and the frames of a hot pack; both are the caller's to free(). */
struct hot_parts {
	void *table;
	uint8_t *frames;
	size_t table_bytes;
	uint64_t hot_bytes;
};

static void encode_frame(const struct testimage *t, struct img_hot_writer *w, uint32_t i,
			 struct hot_parts *ret, size_t *at)
{
	const struct img_hot *hot = img_hot_writer_layout(w);
	const struct img_hot_frame *f = &hot->frames[i];
	uint32_t room = img_stored_bytes_max(IMG_HOT_FRAME_RAW_MAX), n = 0;
	uint8_t *raw = malloc(IMG_HOT_FRAME_RAW_MAX), *p = raw;
	int err;

	for (uint32_t k = f->first_run; k < f->first_run + f->n_runs; k++) {
		const struct img_hot_run *run = &hot->runs[k];

		testimage_read(t,
			       run->ci * TESTIMAGE_CHUNK_BYTES +
				       run->first_block * IMG_BLOCK_BYTES,
			       p, run->n_blocks * IMG_BLOCK_BYTES);
		p += run->n_blocks * IMG_BLOCK_BYTES;
	}
	if (t->spoil_hot_block)
		raw[100] ^= 1;
	ret->frames = realloc(ret->frames, *at + room);
	assert(ret->frames);
	err = img_hot_writer_encode(w, i, raw, ret->frames + *at, room, &n);
	assert(err == 0);
	(void)err;
	*at += n;
	free(raw);
}

static void make_hot(const struct testimage *t, uint64_t image_bytes,
		     const struct testimage_hot *runs, unsigned n_runs,
		     const uint8_t *raw_digest, struct hot_parts *ret)
{
	struct img_hot_writer *w;
	size_t at = 0;
	int err = img_hot_writer_new(image_bytes, TESTIMAGE_CHUNK_BYTES, 1, &w);

	assert(err == 0);
	for (unsigned i = 0; i < n_runs; i++) {
		err = img_hot_writer_add(w, runs[i].block, runs[i].n);
		assert(err == 0);
	}
	for (uint32_t i = 0; i < img_hot_writer_layout(w)->n_frames; i++)
		encode_frame(t, w, i, ret, &at);
	err = img_hot_writer_finish(w, raw_digest, &ret->table, &ret->table_bytes,
				    &ret->hot_bytes);
	assert(err == 0);
	(void)err;
	img_hot_writer_free(w);
}

static void join(struct testimage *t, struct img_writer_tables *tables,
		 const struct hot_parts *hot, const void *data)
{
	const struct img_info *info = &tables->info;

	t->n_bytes = info->file_bytes;
	t->file = malloc(t->n_bytes);
	assert(t->file);
	memcpy(t->file, tables->front, tables->front_bytes);
	if (hot->hot_bytes)
		memcpy(t->file + tables->front_bytes, hot->frames,
		       hot->hot_bytes - hot->table_bytes);
	memcpy(t->file + info->data_off, data, info->data_bytes);
	memcpy(t->file + info->seek_off, tables->seek, tables->seek_bytes);
	free(tables->front);
	free(tables->seek);
}

static void open_it(struct testimage *t)
{
	int err = img_new(t->file, t->n_bytes, &t->img);

	assert(err == 0);
	t->info = img_info(t->img);
	err = img_set_table(t->img, t->file + t->info->table_off, t->info->table_bytes);
	assert(err == 0);
	(void)err;
}

void testimage_new(struct testimage *t, uint64_t n_chunks, uint32_t last_bytes,
		   bool (*is_zero)(uint64_t ci))
{
	testimage_new_hot(t, n_chunks, last_bytes, is_zero, NULL, 0);
}

void testimage_new_hot(struct testimage *t, uint64_t n_chunks, uint32_t last_bytes,
		       bool (*is_zero)(uint64_t ci), const struct testimage_hot *runs,
		       unsigned n_runs)
{
	const uint8_t raw_digest[IMG_DIGEST_BYTES] = {1};
	struct img_writer_head head = {
		testimage_meta, strlen(testimage_meta), 7, raw_digest, NULL, 0, 0};
	struct img_encoder *e = img_encoder_new(TESTIMAGE_CHUNK_BYTES, 1);
	uint8_t *data = malloc(n_chunks * img_stored_bytes_max(TESTIMAGE_CHUNK_BYTES));
	struct img_writer_tables tables;
	struct hot_parts hot = {0};
	struct img_writer *w;
	size_t at = 0;
	int err = img_writer_new(TESTIMAGE_CHUNK_BYTES, &w);

	assert(err == 0 && e && data);
	*t = (struct testimage){.is_zero = is_zero,
				.spoil_hot_block = n_runs && runs[0].is_spoilt};
	for (uint64_t ci = 0; ci < n_chunks; ci++)
		add_chunk(t, w, e, ci,
			  ci + 1 < n_chunks ? TESTIMAGE_CHUNK_BYTES : last_bytes, data,
			  &at);
	if (n_runs) {
		make_hot(t, (n_chunks - 1) * TESTIMAGE_CHUNK_BYTES + last_bytes, runs,
			 n_runs, raw_digest, &hot);
		head.hot_table = hot.table;
		head.hot_table_bytes = hot.table_bytes;
		head.hot_bytes = hot.hot_bytes;
	}
	err = img_writer_finish(w, &head, &tables);
	assert(err == 0);
	(void)err;
	join(t, &tables, &hot, data);
	free(hot.table);
	free(hot.frames);
	img_writer_free(w);
	img_encoder_free(e);
	free(data);
	open_it(t);
}

uint8_t *testimage_pack(const struct testimage *t, const struct testimage_hot *runs,
			unsigned n_runs, size_t *ret_bytes)
{
	uint8_t front[IMG_PACK_FRONT_BYTES], *pack;
	struct hot_parts hot = {0};
	int err;

	make_hot(t, t->info->image_bytes, runs, n_runs, t->info->raw_digest, &hot);
	err = img_pack_front(t->info->digest, hot.table, hot.table_bytes, hot.hot_bytes,
			     front);
	assert(err == 0);
	(void)err;
	pack = malloc(sizeof front + hot.hot_bytes);
	assert(pack);
	memcpy(pack, front, sizeof front);
	memcpy(pack + sizeof front, hot.table, hot.table_bytes);
	memcpy(pack + sizeof front + hot.table_bytes, hot.frames,
	       hot.hot_bytes - hot.table_bytes);
	free(hot.table);
	free(hot.frames);
	*ret_bytes = sizeof front + hot.hot_bytes;
	return pack;
}

void testimage_free(struct testimage *t)
{
	img_free(t->img);
	free(t->file);
	*t = (struct testimage){0};
}

struct img_chunk testimage_chunk(const struct testimage *t, uint64_t ci)
{
	struct img_page *page = malloc(sizeof *page);
	struct img_chunk chunk;
	struct img_range range;
	int err = img_page_locate(t->img, img_page_of(ci), &range);

	assert(page && err == 0);
	err = img_page_decode(t->img, img_page_of(ci),
			      range.n_bytes ? t->file + range.src_off : NULL,
			      range.n_bytes, page);
	assert(err == 0);
	err = img_page_chunk(t->img, page, ci, &chunk);
	assert(err == 0);
	(void)err;
	free(page);
	return chunk;
}
