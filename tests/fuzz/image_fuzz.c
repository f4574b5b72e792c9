/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_fuzz.c - a whole image in memory: opened, every page and chunk and hot frame read
 *
 * The input is a file without bytes 512 … 4095, which follow from the rest or are zero.
 * It is walked as it is, and with every digest made right from the bottom up, as far as
 * the tables lead to bytes that are there.
 */
#include "tests/fuzz/fuzz.h"

#define FILE_BYTES_MAX (1u << 20)

struct file {
	uint8_t *p;
	uint64_t n;
};

static uint8_t *at(const struct file *f, uint64_t off, uint64_t n_bytes)
{
	return off <= f->n && n_bytes <= f->n - off ? f->p + off : NULL;
}

static void digest_of(const struct file *f, uint64_t off, uint64_t n_bytes, uint8_t *ret)
{
	const uint8_t *p = at(f, off, n_bytes);

	if (p)
		fuzz_sha256(p, n_bytes, ret);
}

static void fix_page(const struct file *f, struct disk_page_entry *e, uint64_t n,
		     uint64_t src_off)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t word = le32_load(e[i].stored_bytes);
		uint32_t stored = word & ~DISK_ZERO_CHUNK;

		if (!(word & DISK_ZERO_CHUNK))
			digest_of(f, src_off, stored, e[i].digest);
		src_off += stored;
	}
}

static void fix_pages(const struct file *f, const struct img_info *info)
{
	struct disk_table_entry *table =
		(void *)at(f, info->table_off, info->table_bytes);
	uint64_t off = info->pages_off;

	for (uint64_t i = 0; table && i < info->n_pages; i++) {
		uint64_t n =
			min_u64(info->n_chunks - i * IMG_PAGE_ENTRIES, IMG_PAGE_ENTRIES);
		uint8_t *page = at(f, off, n * IMG_PAGE_ENTRY_BYTES);

		if (le64_load(table[i].off) & DISK_ZERO_PAGE)
			continue;
		if (page) {
			fix_page(f, (void *)page, n, le64_load(table[i].off));
			fuzz_sha256(page, n * IMG_PAGE_ENTRY_BYTES, table[i].digest);
		}
		off += n * IMG_PAGE_ENTRY_BYTES;
	}
}

static void fix_hot(const struct file *f, const struct img_info *info)
{
	struct disk_hot_table *t = (void *)at(f, info->hot_off, info->hot_table_bytes);
	struct disk_hot_frame *frame = t ? (void *)(t + 1) : NULL;
	uint64_t off = info->hot_off + info->hot_table_bytes, n;

	if (!t || info->hot_table_bytes < sizeof *t)
		return;
	n = min_u64(le32_load(t->n_frames),
		    (info->hot_table_bytes - sizeof *t) / sizeof *frame);
	for (; n > 0; n--, frame++) {
		digest_of(f, off, le32_load(frame->stored_bytes), frame->digest);
		off += le32_load(frame->stored_bytes);
	}
}

/* What HEAD says, when it is right in itself, is what may be followed. */
static void fix_digests(const struct file *f)
{
	struct disk_head *h = (void *)f->p;
	struct img *img = NULL;
	struct img_info info;

	fuzz_assert(img_head_seal(h) == 0);
	if (img_new(f->p, f->n, &img) < 0)
		return;
	info = *img_info(img);
	img_free(img);
	fix_pages(f, &info);
	if (info.hot_bytes > 0)
		fix_hot(f, &info);
	digest_of(f, info.meta_off, info.meta_bytes, h->meta.digest);
	digest_of(f, info.table_off, info.table_bytes, h->table.digest);
	digest_of(f, info.seek_off, info.seek_bytes, h->seek.digest);
	if (info.hot_bytes > 0)
		digest_of(f, info.hot_off, info.hot_table_bytes, h->hot.digest);
	fuzz_assert(img_head_seal(h) == 0);
}

static void read_chunk(const struct file *f, struct img_decoder *d,
		       const struct img_chunk *c, uint32_t chunk_bytes)
{
	uint8_t *src = c->is_zero ? NULL : at(f, c->src_off, c->stored_bytes);
	uint8_t *copy, *dst;

	if (!src || c->raw_bytes > chunk_bytes)
		return;
	copy = fuzz_copy(src, c->stored_bytes);
	dst = malloc(c->raw_bytes);
	fuzz_assert(dst);
	(void)!img_chunk_decode(d, c, copy, c->stored_bytes, dst, c->raw_bytes);
	free(dst);
	free(copy);
}

static void read_page(const struct file *f, const struct img *img, struct img_decoder *d,
		      uint64_t i, struct img_page *page)
{
	struct img_range place;
	struct img_chunk chunk;
	uint8_t *p;

	fuzz_assert(img_page_locate(img, i, &place) == 0);
	p = at(f, place.src_off, place.n_bytes);
	if (!p ||
	    img_page_decode(img, i, place.n_bytes ? p : NULL, place.n_bytes, page) < 0)
		return;
	for (uint32_t k = 0; k < page->n_entries; k++) {
		fuzz_assert(img_page_chunk(img, page, i * IMG_PAGE_ENTRIES + k, &chunk) ==
			    0);
		fuzz_assert(chunk.src_off + chunk.stored_bytes <=
			    img_info(img)->seek_off);
		read_chunk(f, d, &chunk, img_info(img)->chunk_bytes);
	}
}

static void read_hot(const struct file *f, const struct img *img, struct img_decoder *d)
{
	const struct img_info *info = img_info(img);
	uint8_t *table = at(f, info->hot_off, info->hot_table_bytes);
	uint8_t *dst = malloc(IMG_HOT_FRAME_RAW_MAX);
	struct img_hot *hot = NULL;

	fuzz_assert(dst);
	if (table && img_hot_new(img, table, info->hot_table_bytes, &hot) == 0)
		for (uint32_t i = 0; i < hot->n_frames; i++) {
			const struct img_hot_frame *frame = &hot->frames[i];
			uint8_t *src = at(f, info->hot_off + frame->hot_off,
					  frame->stored_bytes);

			if (src)
				(void)!img_hot_frame_decode(d, frame, src,
							    frame->stored_bytes, dst);
		}
	img_hot_free(hot);
	free(dst);
}

static void walk(const struct file *f)
{
	struct img *img = NULL;
	struct img_page *page = malloc(sizeof *page);
	struct img_decoder *d = img_decoder_new();
	const struct img_info *info;
	uint8_t *p;

	fuzz_assert(page && d);
	if (img_new(f->p, f->n, &img) == 0) {
		info = img_info(img);
		p = at(f, info->meta_off, info->meta_bytes);
		if (p)
			(void)!img_check_meta(img, p, info->meta_bytes);
		p = at(f, info->table_off, info->table_bytes);
		if (p && img_set_table(img, p, info->table_bytes) == 0)
			for (uint64_t i = 0; i < min_u64(info->n_pages, 64); i++)
				read_page(f, img, d, i, page);
		if (info->hot_bytes > 0)
			read_hot(f, img, d);
	}
	img_free(img);
	img_decoder_free(d);
	free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct file f;

	if (n_bytes < DISK_SIGNED_BYTES || n_bytes > FILE_BYTES_MAX)
		return 0;
	f.n = n_bytes - DISK_SIGNED_BYTES + IMG_HEAD_BYTES;
	f.p = calloc(1, f.n);
	fuzz_assert(f.p);
	memcpy(f.p, data, DISK_SIGNED_BYTES);
	memcpy(f.p + IMG_HEAD_BYTES, data + DISK_SIGNED_BYTES,
	       n_bytes - DISK_SIGNED_BYTES);
	fuzz_assert(img_head_seal((void *)f.p) == 0);
	walk(&f);
	fix_digests(&f);
	walk(&f);
	free(f.p);
	return 0;
}
