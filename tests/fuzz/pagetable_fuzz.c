/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagetable_fuzz.c - the page table
 *
 * Input: u32 log2 of the chunk size, u64 blocks in the last page's chunks, u64 length of
 * DATA, then entries, whose offsets count from the start of DATA.
 */
#include "tests/fuzz/fuzz.h"

#define PAGES_MAX 4096u

static uint64_t page_bytes(const struct img_info *info, uint64_t page)
{
	uint64_t left = div_round_up(info->image_bytes, info->chunk_bytes) -
			page * IMG_PAGE_ENTRIES;

	return min_u64(left, IMG_PAGE_ENTRIES) * IMG_PAGE_ENTRY_BYTES;
}

/* DATA's offset is known only now, and what INDEX PAGES has follows from the entries. */
static void place(struct img_info *info, struct disk_table_entry *table)
{
	info->n_pages = info->table_bytes / sizeof *table;
	info->pages_bytes = 0;
	for (uint64_t i = 0; i < info->n_pages; i++)
		if (!(le64_load(table[i].off) & DISK_ZERO_PAGE))
			info->pages_bytes += page_bytes(info, i);
	img_layout(info);
	for (uint64_t i = 0; i < info->n_pages; i++)
		le64_store(table[i].off, le64_load(table[i].off) + info->data_off);
}

/* Whatever was accepted stays within its section. */
static void walk(const struct img *img)
{
	const struct img_info *info = img_info(img);
	struct img_page *page = malloc(sizeof *page);
	struct img_chunk chunk;
	struct img_range at;

	fuzz_assert(page);
	for (uint64_t i = 0; i < info->n_pages; i++) {
		fuzz_assert(img_page_locate(img, i, &at) == 0);
		fuzz_assert(at.src_off >= info->pages_off &&
			    at.src_off + at.n_bytes <=
				    info->pages_off + info->pages_bytes);
		if (at.n_bytes > 0)
			continue;
		fuzz_assert(img_page_decode(img, i, NULL, 0, page) == 0);
		fuzz_assert(img_page_chunk(img, page,
					   i * IMG_PAGE_ENTRIES + page->n_entries - 1,
					   &chunk) == 0);
		fuzz_assert(chunk.is_zero && chunk.src_off >= info->data_off);
		fuzz_assert(chunk.src_off + chunk.stored_bytes <=
			    info->data_off + info->data_bytes);
	}
	fuzz_assert(img_page_locate(img, info->n_pages, &at) == IMG_ERR_RANGE);
	free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct fuzz_input in = {data, n_bytes};
	struct img_digests digests = {0};
	struct img_info info = {.meta_bytes = 2};
	uint64_t last_blocks, n_pages;
	struct disk_table_entry *table;
	struct img *img;

	info.chunk_bytes = IMG_CHUNK_BYTES_MIN << (fuzz_u32(&in) % 7);
	last_blocks = 1024ull * info.chunk_bytes / IMG_BLOCK_BYTES;
	last_blocks = 1 + fuzz_u64(&in) % last_blocks;
	info.data_bytes = fuzz_u64(&in);
	n_pages = min_u64(in.n / sizeof *table, PAGES_MAX);
	if (n_pages == 0)
		return 0;
	info.image_bytes = (n_pages - 1) * IMG_PAGE_ENTRIES * info.chunk_bytes +
			   last_blocks * IMG_BLOCK_BYTES;
	info.table_bytes = n_pages * sizeof *table;
	table = fuzz_copy(in.p, info.table_bytes);
	place(&info, table);
	fuzz_sha256(table, info.table_bytes, digests.table);
	img = fuzz_img(&info, &digests);
	if (img && img_set_table(img, table, info.table_bytes) == 0) {
		walk(img);
		fuzz_accept();
	}
	img_free(img);
	free(table);
	return 0;
}
