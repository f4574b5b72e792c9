/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testimage.c - see testimage.h
 */
#include "tests/fakes/testimage.h"

#include <assert.h>

#include "imgfmt/writer.h"

#define META "{\"filesystem\":\"ext4\",\"version_number\":7}"
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

static void join(struct testimage *t, struct img_writer_tables *tables, const void *data)
{
	const struct img_info *info = &tables->info;

	t->n_bytes = info->file_bytes;
	t->file = malloc(t->n_bytes);
	assert(t->file);
	memcpy(t->file, tables->front, tables->front_bytes);
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
	const uint8_t raw_digest[IMG_DIGEST_BYTES] = {1};
	struct img_writer_head head = {META, strlen(META), 7, raw_digest};
	struct img_encoder *e = img_encoder_new(TESTIMAGE_CHUNK_BYTES, 1);
	uint8_t *data = malloc(n_chunks * img_stored_bytes_max(TESTIMAGE_CHUNK_BYTES));
	struct img_writer_tables tables;
	struct img_writer *w;
	size_t at = 0;
	int err = img_writer_new(TESTIMAGE_CHUNK_BYTES, &w);

	assert(err == 0 && e && data);
	*t = (struct testimage){.is_zero = is_zero};
	for (uint64_t ci = 0; ci < n_chunks; ci++)
		add_chunk(t, w, e, ci,
			  ci + 1 < n_chunks ? TESTIMAGE_CHUNK_BYTES : last_bytes, data,
			  &at);
	err = img_writer_finish(w, &head, &tables);
	assert(err == 0);
	(void)err;
	join(t, &tables, data);
	img_writer_free(w);
	img_encoder_free(e);
	free(data);
	open_it(t);
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
