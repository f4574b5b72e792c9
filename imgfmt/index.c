/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index.c - page table and index pages: from a chunk's number to its place and digest
 *
 * The page table is kept as read, with one number more for each page, how many stored
 * pages lie before it, which makes the place of any page one multiplication.  Pages are
 * not kept: the caller caches as many as it likes.
 */
#include "imgfmt/digest.h"
#include "imgfmt/internal.h"
#include "imgfmt/layout.h"

uint32_t img_page_n_entries(const struct img_info *info, uint64_t page)
{
	return (uint32_t)min_u64(info->n_chunks - page * IMG_PAGE_ENTRIES,
				 IMG_PAGE_ENTRIES);
}

static bool entry_is_zero_page(const struct disk_table_entry *e)
{
	return le64_load(e->off) & DISK_ZERO_PAGE;
}

static uint64_t entry_src_off(const struct disk_table_entry *e)
{
	return le64_load(e->off) & ~DISK_ZERO_PAGE;
}

/* Where the frames of a page end.  page < n_pages. */
static uint64_t page_src_end(const struct img_info *info,
			     const struct disk_table_entry *table, uint64_t page)
{
	if (page + 1 < info->n_pages)
		return entry_src_off(&table[page + 1]);
	return info->data_off + info->data_bytes;
}

/* What the frames of a ZERO PAGE take: all of one length but perhaps the image's last. */
static uint64_t zero_page_frame_bytes(const struct img *img, uint64_t page)
{
	uint32_t n = img_page_n_entries(&img->info, page);
	uint64_t last = page * IMG_PAGE_ENTRIES + n - 1;

	return (uint64_t)(n - 1) * img_zero_frame_bytes(img->info.chunk_bytes) +
	       img_zero_frame_bytes(img_chunk_raw_bytes(img, last));
}

static int check_table_entry(const struct img *img, const struct disk_table_entry *table,
			     uint64_t page)
{
	const struct disk_table_entry *e = &table[page];
	uint64_t start = entry_src_off(e), end = page_src_end(&img->info, table, page);
	uint64_t n = img_page_n_entries(&img->info, page);
	bool no_digest = img_is_zero(e->digest, sizeof e->digest);

	if (page == 0 && start != img->info.data_off)
		return IMG_FAULT_TABLE_FIRST;
	/* Ascending up to a last end that HEAD vouches for: so no offset is beyond it
	 * either. */
	if (end <= start)
		return IMG_FAULT_TABLE_ORDER;
	if (entry_is_zero_page(e)) {
		if (!no_digest)
			return IMG_FAULT_TABLE_ZERO_DIGEST;
		return end - start == zero_page_frame_bytes(img, page)
			       ? 0
			       : IMG_FAULT_TABLE_ZERO_ROOM;
	}
	if (no_digest)
		return IMG_FAULT_TABLE_NO_DIGEST;
	if (end - start < n * DISK_FRAME_BYTES_MIN)
		return IMG_FAULT_TABLE_LITTLE;
	if (end - start > n * img_stored_bytes_max(img->info.chunk_bytes))
		return IMG_FAULT_TABLE_MUCH;
	return 0;
}

static int check_table(const struct img *img, const struct disk_table_entry *table,
		       uint32_t *stored_before)
{
	uint64_t pages_bytes = 0;
	uint32_t n_stored = 0;

	for (uint64_t page = 0; page < img->info.n_pages; page++) {
		int r = check_table_entry(img, table, page);

		if (r < 0)
			return r;
		stored_before[page] = n_stored;
		if (entry_is_zero_page(&table[page]))
			continue;
		n_stored++;
		pages_bytes += (uint64_t)img_page_n_entries(&img->info, page) *
			       IMG_PAGE_ENTRY_BYTES;
	}
	return pages_bytes == img->info.pages_bytes ? 0 : IMG_FAULT_TABLE_SUM;
}

int img_set_table(struct img *img, const void *table, size_t n_bytes)
{
	cleanup_free struct disk_table_entry *copy = NULL;
	cleanup_free uint32_t *stored_before = NULL;
	int r;

	if (n_bytes != img->info.table_bytes)
		return IMG_ERR_LENGTH;
	copy = malloc(n_bytes);
	stored_before = calloc(img->info.n_pages, sizeof *stored_before);
	if (!copy || !stored_before)
		return IMG_ERR_MEMORY;
	/* The copy is checked, not what the caller could still change. */
	memcpy(copy, table, n_bytes);
	r = img_sha256_check(copy, n_bytes, img->digests.table);
	if (r == 0)
		r = check_table(img, copy, stored_before);
	if (r < 0)
		return r;
	free(img->table);
	free(img->stored_before);
	img->table = steal_pointer(&copy);
	img->stored_before = steal_pointer(&stored_before);
	return 0;
}

int img_page_locate(const struct img *img, uint64_t page, struct img_range *ret)
{
	if (!img->table || page >= img->info.n_pages)
		return IMG_ERR_RANGE;
	ret->src_off = img->info.pages_off +
		       (uint64_t)img->stored_before[page] * DISK_PAGE_BYTES;
	ret->n_bytes = 0;
	if (!entry_is_zero_page(&img->table[page]))
		ret->n_bytes = (uint64_t)img_page_n_entries(&img->info, page) *
			       IMG_PAGE_ENTRY_BYTES;
	return 0;
}

static int check_entry(const struct img *img, const struct disk_page_entry *e,
		       uint64_t ci)
{
	uint32_t word = le32_load(e->stored_bytes), stored = word & ~DISK_ZERO_CHUNK;

	if (word & DISK_ZERO_CHUNK) {
		if (stored != img_zero_frame_bytes(img_chunk_raw_bytes(img, ci)))
			return IMG_FAULT_PAGE_ZERO_LENGTH;
		return img_is_zero(e->digest, sizeof e->digest)
			       ? 0
			       : IMG_FAULT_PAGE_ZERO_DIGEST;
	}
	if (stored < DISK_FRAME_BYTES_MIN)
		return IMG_FAULT_PAGE_LITTLE;
	if (stored > img_stored_bytes_max(img->info.chunk_bytes))
		return IMG_FAULT_PAGE_MUCH;
	return 0;
}

/*
 * Checked whole before any of it is copied out, so that the output is never half
 * written.
 */
static int check_stored_page(const struct img *img, uint64_t page,
			     const struct disk_page_entry *entries, uint32_t n_entries)
{
	uint64_t src_off = entry_src_off(&img->table[page]);
	bool all_zero = true;

	for (uint32_t i = 0; i < n_entries; i++) {
		uint32_t word = le32_load(entries[i].stored_bytes);
		int r = check_entry(img, &entries[i], page * IMG_PAGE_ENTRIES + i);

		if (r < 0)
			return r;
		/* No overflow: 1024 lengths of 31 bits behind an offset of 63. */
		src_off += word & ~DISK_ZERO_CHUNK;
		all_zero = all_zero && (word & DISK_ZERO_CHUNK);
	}
	if (all_zero)
		return IMG_FAULT_PAGE_ALL_ZERO;
	return src_off == page_src_end(&img->info, img->table, page) ? 0
								     : IMG_FAULT_PAGE_SUM;
}

static void copy_stored_page(const struct disk_page_entry *entries, struct img_page *ret)
{
	ret->is_zero = false;
	for (uint32_t i = 0; i < ret->n_entries; i++) {
		uint32_t word = le32_load(entries[i].stored_bytes);

		ret->stored_bytes[i] = word & ~DISK_ZERO_CHUNK;
		ret->zero[i] = (word & DISK_ZERO_CHUNK) != 0;
		memcpy(ret->digest[i], entries[i].digest, IMG_DIGEST_BYTES);
	}
}

static void make_zero_page(const struct img *img, struct img_page *ret)
{
	uint64_t first = ret->page * IMG_PAGE_ENTRIES;

	ret->is_zero = true;
	memset(ret->zero, 1, sizeof ret->zero);
	memset(ret->digest, 0, sizeof ret->digest);
	for (uint32_t i = 0; i < ret->n_entries; i++)
		ret->stored_bytes[i] =
			img_zero_frame_bytes(img_chunk_raw_bytes(img, first + i));
}

static int check_digest(struct img_decoder *d, const void *buf, size_t n_bytes,
			const uint8_t expected[IMG_DIGEST_BYTES])
{
	uint8_t digest[IMG_DIGEST_BYTES];
	int r;

	if (!d)
		return img_sha256_check(buf, n_bytes, expected);
	r = img_hash_once(img_decoder_hash(d), buf, n_bytes, digest);
	if (r < 0)
		return r;
	return memcmp(digest, expected, sizeof digest) == 0 ? 0 : IMG_ERR_DIGEST;
}

int img_page_decode_with(struct img_decoder *d, const struct img *img, uint64_t page,
			 const void *buf, size_t n_bytes, struct img_page *ret)
{
	const struct disk_page_entry *entries = buf;
	struct img_range place;
	uint32_t n_entries;
	int r = img_page_locate(img, page, &place);

	if (r < 0)
		return r;
	if (n_bytes != place.n_bytes)
		return IMG_ERR_LENGTH;
	n_entries = img_page_n_entries(&img->info, page);
	if (n_bytes > 0)
		r = check_digest(d, buf, n_bytes, img->table[page].digest);
	if (n_bytes > 0 && r == 0)
		r = check_stored_page(img, page, entries, n_entries);
	if (r < 0)
		return r;
	ret->page = page;
	ret->n_entries = n_entries;
	if (n_bytes > 0)
		copy_stored_page(entries, ret);
	else
		make_zero_page(img, ret);
	ret->src_off[0] = entry_src_off(&img->table[page]);
	for (uint32_t i = 1; i < n_entries; i++)
		ret->src_off[i] = ret->src_off[i - 1] + ret->stored_bytes[i - 1];
	return 0;
}

int img_page_chunk(const struct img *img, const struct img_page *page, uint64_t ci,
		   struct img_chunk *ret)
{
	uint64_t i = ci % IMG_PAGE_ENTRIES;

	if (ci >= img->info.n_chunks || img_page_of(ci) != page->page ||
	    i >= page->n_entries)
		return IMG_ERR_RANGE;
	ret->ci = ci;
	ret->src_off = page->src_off[i];
	ret->stored_bytes = page->stored_bytes[i];
	ret->raw_bytes = img_chunk_raw_bytes(img, ci);
	ret->is_zero = page->zero[i];
	memcpy(ret->digest, page->digest[i], IMG_DIGEST_BYTES);
	return 0;
}
