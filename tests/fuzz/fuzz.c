/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.c - see fuzz.h
 */
#include "tests/fuzz/fuzz.h"

void fuzz_accept(void)
{
	if (getenv("FUZZ_SAY"))
		fputs("accepted\n", stderr);
}

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

void fuzz_encode_head(const struct img_info *info, const struct img_digests *digests,
		      struct disk_head *h)
{
	memset(h, 0, sizeof *h);
	img_head_encode(info, h);
	memcpy(h->meta.digest, digests->meta, IMG_DIGEST_BYTES);
	memcpy(h->table.digest, digests->table, IMG_DIGEST_BYTES);
	memcpy(h->hot.digest, digests->hot_table, IMG_DIGEST_BYTES);
	memcpy(h->seek.digest, digests->seek, IMG_DIGEST_BYTES);
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
