/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.c - see fuzz.h
 */
#include "tests/fuzz/fuzz.h"

void fuzz_take(struct fuzz_input *in, void *ret, size_t n_bytes)
{
	size_t n = min_u64(in->n, n_bytes);

	memset(ret, 0, n_bytes);
	if (n > 0)
		memcpy(ret, in->p, n);
	in->p += n;
	in->n -= n;
}

uint32_t fuzz_u32(struct fuzz_input *in)
{
	uint8_t b[4];

	fuzz_take(in, b, sizeof b);
	return le32_load(b);
}

uint64_t fuzz_u64(struct fuzz_input *in)
{
	uint8_t b[8];

	fuzz_take(in, b, sizeof b);
	return le64_load(b);
}

void *fuzz_copy(const void *p, size_t n_bytes)
{
	void *copy = malloc(n_bytes ? n_bytes : 1);

	fuzz_assert(copy);
	if (n_bytes > 0)
		memcpy(copy, p, n_bytes);
	return copy;
}

void fuzz_sha256(const void *p, size_t n_bytes, uint8_t ret[IMG_DIGEST_BYTES])
{
	fuzz_assert(img_sha256(p, n_bytes, ret) == 0);
}

static void encode_section(struct disk_section *s, uint64_t off, uint64_t n_bytes,
			   const uint8_t digest[IMG_DIGEST_BYTES])
{
	le64_store(s->off, off);
	le64_store(s->n_bytes, n_bytes);
	memcpy(s->digest, digest, IMG_DIGEST_BYTES);
}

void fuzz_encode_head(const struct img_info *info, const struct img_digests *digests,
		      struct disk_head *h)
{
	memset(h, 0, sizeof *h);
	img_skip_header(IMG_HEAD_BYTES - DISK_SKIP_HEADER_BYTES, (uint8_t *)&h->skip);
	memcpy(h->magic, DISK_MAGIC, sizeof h->magic);
	le32_store(h->version, DISK_VERSION);
	le32_store(h->page_entries, IMG_PAGE_ENTRIES);
	le64_store(h->image_bytes, info->image_bytes);
	le32_store(h->chunk_bytes, info->chunk_bytes);
	le64_store(h->n_chunks, info->n_chunks);
	le64_store(h->n_pages, info->n_pages);
	le64_store(h->version_number, info->version_number);
	le64_store(h->file_bytes, info->file_bytes);
	le64_store(h->data_off, info->data_off);
	le64_store(h->data_bytes, info->data_bytes);
	memcpy(h->raw_digest, info->raw_digest, sizeof h->raw_digest);
	encode_section(&h->meta, info->meta_off, info->meta_bytes, digests->meta);
	encode_section(&h->table, info->table_off, info->table_bytes, digests->table);
	le64_store(h->pages_off, info->pages_off);
	le64_store(h->pages_bytes, info->pages_bytes);
	encode_section(&h->hot, info->hot_off, info->hot_bytes, digests->hot_table);
	le64_store(h->hot_table_bytes, info->hot_table_bytes);
	encode_section(&h->seek, info->seek_off, info->seek_bytes, digests->seek);
	fuzz_assert(img_head_seal(h) == 0);
}

struct img *fuzz_img(const struct img_info *lengths, const struct img_digests *digests)
{
	struct img_info info = *lengths;
	struct img *img = NULL;
	struct disk_head head;

	info.n_chunks = div_round_up(info.image_bytes, info.chunk_bytes);
	info.n_pages = div_round_up(info.n_chunks, IMG_PAGE_ENTRIES);
	info.seek_bytes = img_seek_bytes(&info);
	img_layout(&info);
	fuzz_encode_head(&info, digests, &head);
	return img_new(&head, sizeof head, &img) == 0 ? img : NULL;
}
