/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head_fuzz.c - HEAD of an image, and PACK HEAD of a side file
 *
 * The input is the front of HEAD; what is missing is zero.  It is decoded as it is, with a
 * right checksum, and with UUID and digest right too.
 */
#include "tests/fuzz/fuzz.h"

static void check_info(const struct img_info *i)
{
	fuzz_assert(i->image_bytes > 0 && i->image_bytes % IMG_BLOCK_BYTES == 0);
	fuzz_assert(i->chunk_bytes >= IMG_CHUNK_BYTES_MIN &&
		    i->chunk_bytes <= IMG_CHUNK_BYTES_MAX);
	fuzz_assert((i->n_chunks - 1) * i->chunk_bytes < i->image_bytes);
	fuzz_assert(i->n_chunks * i->chunk_bytes >= i->image_bytes);
	fuzz_assert(i->n_chunks <= 1ull << 26 && i->n_pages <= 65536);
	fuzz_assert(i->meta_bytes <= IMG_META_BYTES_MAX);
	fuzz_assert(i->table_bytes == i->n_pages * 40);
	fuzz_assert(i->pages_bytes <= i->n_pages * 36864);
	fuzz_assert(i->hot_bytes <= 1u << 30 && i->hot_table_bytes <= i->hot_bytes);
	fuzz_assert(i->meta_off + i->meta_bytes + 8 == i->table_off);
	fuzz_assert(i->table_off + i->table_bytes + 8 == i->pages_off);
	fuzz_assert(i->seek_off == i->data_off + i->data_bytes);
	fuzz_assert(i->file_bytes == i->seek_off + i->seek_bytes);
	fuzz_assert(i->file_bytes < 1ull << 62);
	fuzz_assert(i->n_signatures <= IMG_SIGNATURES_MAX);
}

static void decode(const struct disk_head *h)
{
	struct img_pack *pack = NULL;
	struct img *img = NULL;
	void *copy = fuzz_copy(h, sizeof *h);

	if (img_new(copy, sizeof *h, &img) == 0) {
		check_info(img_info(img));
		fuzz_assert(img_chunk_raw_bytes(img, img_info(img)->n_chunks) == 0);
		fuzz_assert(img_check_digest(img, img_info(img)->digest) == 0);
		fuzz_accept();
	} else {
		fuzz_assert(!img);
	}
	if (img_pack_new(copy, sizeof *h, &pack) == 0) {
		fuzz_assert(img_pack_info(pack)->hot_off +
				    img_pack_info(pack)->hot_bytes ==
			    img_pack_info(pack)->file_bytes);
		fuzz_accept();
	}
	img_free(img);
	img_pack_free(pack);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct fuzz_input in = {data, n_bytes};
	struct img *img = NULL;
	struct disk_head h;
	uint8_t *copy = fuzz_copy(data, n_bytes);

	if (n_bytes < sizeof h)
		fuzz_assert(img_new(copy, n_bytes, &img) == IMG_ERR_SHORT);
	free(copy);
	fuzz_take(&in, &h, sizeof h);
	decode(&h);
	fuzz_sha256(&h, offsetof(struct disk_head, checksum), h.checksum);
	decode(&h);
	/* Of a pack the digest is at the same place, and there is no UUID. */
	if (memcmp(h.magic, DISK_PACK_MAGIC, sizeof h.magic) == 0) {
		fuzz_sha256(&h, DISK_SIGNED_BYTES, h.digest);
		fuzz_sha256(&h, offsetof(struct disk_head, checksum), h.checksum);
	} else {
		fuzz_assert(img_head_seal(&h) == 0);
	}
	decode(&h);
	return 0;
}
