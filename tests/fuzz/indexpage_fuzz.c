/* SPDX-License-Identifier: Apache-2.0 */
/*
 * indexpage_fuzz.c - one index page
 *
 * Input: u32 log2 of the chunk size, u32 blocks of the last chunk, u32 what DATA has
 * more than the entries say, then entries.
 */
#include "tests/fuzz/fuzz.h"

static struct img *make_img(struct img_info *info, const void *page)
{
	struct img_digests digests = {0};
	struct disk_table_entry e;
	struct img *img;

	memset(&e, 0, sizeof e);
	info->table_bytes = sizeof e;
	info->n_pages = 1;
	img_layout(info);
	le64_store(e.off, info->data_off);
	fuzz_sha256(page, info->pages_bytes, e.digest);
	fuzz_sha256(&e, sizeof e, digests.table);
	img = fuzz_img(info, &digests);
	if (img && img_set_table(img, &e, sizeof e) < 0) {
		img_free(img);
		return NULL;
	}
	return img;
}

static void walk(const struct img *img, const struct img_page *page)
{
	const struct img_info *info = img_info(img);
	uint64_t src_off = info->data_off;
	struct img_chunk c;

	fuzz_assert(page->n_entries == info->n_chunks && !page->is_zero);
	for (uint64_t ci = 0; ci < info->n_chunks; ci++) {
		fuzz_assert(img_page_chunk(img, page, ci, &c) == 0);
		fuzz_assert(c.src_off == src_off);
		fuzz_assert(c.stored_bytes >= DISK_FRAME_BYTES_MIN);
		fuzz_assert(c.stored_bytes <= img_stored_bytes_max(info->chunk_bytes));
		fuzz_assert(c.raw_bytes > 0 && c.raw_bytes <= info->chunk_bytes);
		src_off += c.stored_bytes;
	}
	fuzz_assert(src_off == info->seek_off);
	fuzz_assert(img_page_chunk(img, page, info->n_chunks, &c) == IMG_ERR_RANGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct fuzz_input in = {data, n_bytes};
	struct img_info info = {.meta_bytes = 2};
	struct disk_page_entry *entries;
	struct img_page *page = malloc(sizeof *page);
	struct img *img;
	uint64_t n;

	fuzz_assert(page);
	info.chunk_bytes = IMG_CHUNK_BYTES_MIN << (fuzz_u32(&in) % 7);
	info.image_bytes = 1 + fuzz_u32(&in) % (info.chunk_bytes / IMG_BLOCK_BYTES);
	info.image_bytes *= IMG_BLOCK_BYTES;
	info.data_bytes = fuzz_u32(&in);
	n = min_u64(in.n / sizeof *entries, IMG_PAGE_ENTRIES);
	if (n > 0) {
		info.image_bytes += (n - 1) * info.chunk_bytes;
		info.pages_bytes = n * sizeof *entries;
		entries = fuzz_copy(in.p, info.pages_bytes);
		for (uint64_t i = 0; i < n; i++)
			info.data_bytes +=
				le32_load(entries[i].stored_bytes) & ~DISK_ZERO_CHUNK;
		img = make_img(&info, entries);
		if (img &&
		    img_page_decode(img, 0, entries, info.pages_bytes, page) == 0) {
			walk(img, page);
			fuzz_accept();
		}
		img_free(img);
		free(entries);
	}
	free(page);
	return 0;
}
