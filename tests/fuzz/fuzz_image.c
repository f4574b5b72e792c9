/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_image.c - see fuzz_image.h
 */
#include "tests/fuzz/fuzz_image.h"

bool fuzz_file_from(const uint8_t *data, size_t n_bytes, struct fuzz_file *ret)
{
	if (n_bytes < DISK_SIGNED_BYTES || n_bytes > FUZZ_FILE_BYTES_MAX)
		return false;
	ret->n = n_bytes - DISK_SIGNED_BYTES + IMG_HEAD_BYTES;
	ret->p = calloc(1, ret->n);
	fuzz_assert(ret->p);
	memcpy(ret->p, data, DISK_SIGNED_BYTES);
	memcpy(ret->p + IMG_HEAD_BYTES, data + DISK_SIGNED_BYTES,
	       n_bytes - DISK_SIGNED_BYTES);
	fuzz_assert(img_head_seal((void *)ret->p) == 0);
	return true;
}

uint8_t *fuzz_at(const struct fuzz_file *f, uint64_t off, uint64_t n_bytes)
{
	return off <= f->n && n_bytes <= f->n - off ? f->p + off : NULL;
}

static void digest_of(const struct fuzz_file *f, uint64_t off, uint64_t n_bytes,
		      uint8_t *ret)
{
	const uint8_t *p = fuzz_at(f, off, n_bytes);

	if (p)
		fuzz_sha256(p, n_bytes, ret);
}

static void fix_page(const struct fuzz_file *f, struct disk_page_entry *e, uint64_t n,
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

static void fix_pages(const struct fuzz_file *f, const struct img_info *info)
{
	struct disk_table_entry *table =
		(void *)fuzz_at(f, info->table_off, info->table_bytes);
	uint64_t off = info->pages_off;

	for (uint64_t i = 0; table && i < info->n_pages; i++) {
		uint64_t n =
			min_u64(info->n_chunks - i * IMG_PAGE_ENTRIES, IMG_PAGE_ENTRIES);
		uint8_t *page = fuzz_at(f, off, n * IMG_PAGE_ENTRY_BYTES);

		if (le64_load(table[i].off) & DISK_ZERO_PAGE)
			continue;
		if (page) {
			fix_page(f, (void *)page, n, le64_load(table[i].off));
			fuzz_sha256(page, n * IMG_PAGE_ENTRY_BYTES, table[i].digest);
		}
		off += n * IMG_PAGE_ENTRY_BYTES;
	}
}

static void fix_hot(const struct fuzz_file *f, const struct img_info *info)
{
	struct disk_hot_table *t =
		(void *)fuzz_at(f, info->hot_off, info->hot_table_bytes);
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
void fuzz_fix_digests(const struct fuzz_file *f)
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
