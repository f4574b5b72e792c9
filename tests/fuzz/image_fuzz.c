/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_fuzz.c - a whole image in memory: opened, every page and chunk and hot frame read
 *
 * It is walked as it is, and with every digest made right (see fuzz_image.h).
 */
#include "tests/fuzz/fuzz_image.h"

static bool read_chunk(const struct fuzz_file *f, struct img_decoder *d,
		       const struct img_chunk *c, uint32_t chunk_bytes)
{
	uint8_t *src = c->is_zero ? NULL : fuzz_at(f, c->src_off, c->stored_bytes);
	uint8_t *copy, *dst;
	int r;

	if (!src || c->raw_bytes > chunk_bytes)
		return c->is_zero;
	copy = fuzz_copy(src, c->stored_bytes);
	dst = malloc(c->raw_bytes);
	fuzz_assert(dst);
	r = img_chunk_decode(d, c, copy, c->stored_bytes, dst, c->raw_bytes);
	free(dst);
	free(copy);
	return r == 0;
}

static bool read_page(const struct fuzz_file *f, const struct img *img,
		      struct img_decoder *d, uint64_t i, struct img_page *page)
{
	bool is_good = true;
	struct img_range place;
	struct img_chunk chunk;
	uint8_t *p;

	fuzz_assert(img_page_locate(img, i, &place) == 0);
	p = fuzz_at(f, place.src_off, place.n_bytes);
	if (!p ||
	    img_page_decode(img, i, place.n_bytes ? p : NULL, place.n_bytes, page) < 0)
		return false;
	for (uint32_t k = 0; k < page->n_entries; k++) {
		fuzz_assert(img_page_chunk(img, page, i * IMG_PAGE_ENTRIES + k, &chunk) ==
			    0);
		fuzz_assert(chunk.src_off + chunk.stored_bytes <=
			    img_info(img)->seek_off);
		is_good &= read_chunk(f, d, &chunk, img_info(img)->chunk_bytes);
	}
	return is_good;
}

static bool read_pages(const struct fuzz_file *f, struct img *img, struct img_decoder *d)
{
	const struct img_info *info = img_info(img);
	struct img_page *page = malloc(sizeof *page);
	uint8_t *p = fuzz_at(f, info->table_off, info->table_bytes);
	bool is_good = p && img_set_table(img, p, info->table_bytes) == 0;

	fuzz_assert(page);
	if (is_good)
		for (uint64_t i = 0; i < min_u64(info->n_pages, 64); i++)
			is_good &= read_page(f, img, d, i, page);
	free(page);
	return is_good;
}

static bool read_hot(const struct fuzz_file *f, const struct img *img,
		     struct img_decoder *d)
{
	const struct img_info *info = img_info(img);
	uint8_t *table = fuzz_at(f, info->hot_off, info->hot_table_bytes);
	uint8_t *dst = malloc(IMG_HOT_FRAME_RAW_MAX);
	struct img_hot *hot = NULL;
	bool is_good = table && img_hot_new(img, table, info->hot_table_bytes, &hot) == 0;

	fuzz_assert(dst);
	for (uint32_t i = 0; hot && i < hot->n_frames; i++) {
		const struct img_hot_frame *frame = &hot->frames[i];
		uint8_t *src =
			fuzz_at(f, info->hot_off + frame->hot_off, frame->stored_bytes);

		is_good &= src && img_hot_frame_decode(d, frame, src, frame->stored_bytes,
						       dst) == 0;
	}
	img_hot_free(hot);
	free(dst);
	return is_good;
}

/* True: nothing of it was refused. */
static bool walk(const struct fuzz_file *f)
{
	struct img *img = NULL;
	struct img_decoder *d = img_decoder_new();
	bool is_good = img_new(f->p, f->n, &img) == 0;
	const struct img_info *info;
	uint8_t *p;

	fuzz_assert(d);
	if (img) {
		info = img_info(img);
		p = fuzz_at(f, info->meta_off, info->meta_bytes);
		is_good &= p && img_check_meta(img, p, info->meta_bytes) == 0;
		is_good &= read_pages(f, img, d);
		if (info->hot_bytes > 0)
			is_good &= read_hot(f, img, d);
	}
	img_free(img);
	img_decoder_free(d);
	return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct fuzz_file f;
	bool is_good;

	if (!fuzz_file_from(data, n_bytes, &f))
		return 0;
	is_good = walk(&f);
	fuzz_fix_digests(&f);
	fuzz_assert(walk(&f) || !is_good);
	if (is_good)
		fuzz_accept();
	free(f.p);
	return 0;
}
