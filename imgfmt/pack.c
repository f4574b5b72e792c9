/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack.c - PACK HEAD: a hot pack as a file of its own
 *
 * Decoded into a temporary and given out only when all of it holds, like HEAD.
 */
#include "imgfmt/digest.h"
#include "imgfmt/hotpack.h"
#include "imgfmt/internal.h"
#include "imgfmt/key.h"
#include "imgfmt/layout.h"

struct img_pack {
	struct img_pack_info info;
	struct disk_pack head; /* as read, for the signature */
};

static int check_reserved(const struct disk_pack *h)
{
	if (!img_is_zero(h->reserved_0, sizeof h->reserved_0))
		return IMG_FAULT_PACK_RESERVED_20;
	if (!img_is_zero(h->reserved_1, sizeof h->reserved_1))
		return IMG_FAULT_PACK_RESERVED_128;
	if (!img_is_zero(h->reserved_2, sizeof h->reserved_2))
		return IMG_FAULT_RESERVED_548;
	if (!img_is_zero(h->reserved_3, sizeof h->reserved_3))
		return IMG_FAULT_RESERVED_1112;
	return 0;
}

static int decode(const struct disk_pack *h, struct img_pack_info *info)
{
	int r;

	memcpy(info->image_digest, h->image_digest, sizeof info->image_digest);
	memcpy(info->digest, h->digest, sizeof info->digest);
	info->file_bytes = le64_load(h->file_bytes);
	info->hot_off = le64_load(h->hot.off);
	info->hot_bytes = le64_load(h->hot.n_bytes);
	memcpy(info->hot_table_digest, h->hot.digest, sizeof info->hot_table_digest);
	info->hot_table_bytes = le64_load(h->hot_table_bytes);
	info->n_signatures = le32_load(h->n_signatures);
	if (info->hot_off != DISK_PACK_HOT_OFF)
		return IMG_FAULT_PACK_HOT_OFF;
	r = img_hot_lengths_check(info->hot_bytes, info->hot_table_bytes);
	if (r == 0 && info->file_bytes != info->hot_off + info->hot_bytes)
		r = IMG_FAULT_PACK_FILE_BYTES;
	return r;
}

/* What it shares with an image is called by its own name. */
static int of_pack(int err)
{
	switch (err) {
	case IMG_FAULT_NO_FRAME:
		return IMG_FAULT_PACK_NO_FRAME;
	case IMG_FAULT_NO_MAGIC:
		return IMG_FAULT_PACK_NO_MAGIC;
	case IMG_ERR_FEATURE:
		return IMG_FAULT_PACK_FEATURE;
	case IMG_ERR_UNSIGNED:
		return IMG_FAULT_PACK_UNSIGNED;
	case IMG_ERR_SIGNATURE:
		return IMG_FAULT_PACK_SIGNATURE;
	}
	return err;
}

int img_pack_new(const void *head, size_t n_bytes, struct img_pack **ret)
{
	struct img_pack *pack;
	int r;

	_Static_assert(sizeof pack->head == IMG_PACK_HEAD_BYTES, "PACK HEAD");
	if (n_bytes < IMG_PACK_HEAD_BYTES)
		return IMG_ERR_SHORT;
	pack = calloc(1, sizeof *pack);
	if (!pack)
		return IMG_ERR_MEMORY;
	memcpy(&pack->head, head, sizeof pack->head);
	r = img_head_identify((const struct disk_head *)&pack->head, DISK_PACK_MAGIC,
			      DISK_PACK_VERSION);
	if (r == 0)
		r = check_reserved(&pack->head);
	if (r == 0)
		r = img_slots_check(pack->head.slots, le32_load(pack->head.n_signatures));
	if (r == 0)
		r = decode(&pack->head, &pack->info);
	if (r < 0) {
		img_pack_free(pack);
		return of_pack(r);
	}
	*ret = pack;
	return 0;
}

void img_pack_free(struct img_pack *pack)
{
	free(pack);
}

const struct img_pack_info *img_pack_info(const struct img_pack *pack)
{
	return &pack->info;
}

const void *img_pack_signed_bytes(const struct img_pack *pack)
{
	return &pack->head;
}

bool img_pack_key_id(const struct img_pack *pack, uint32_t i,
		     uint8_t ret[IMG_KEY_ID_BYTES])
{
	if (i >= pack->info.n_signatures)
		return false;
	memcpy(ret, pack->head.slots[i].key_id, IMG_KEY_ID_BYTES);
	return true;
}

int img_pack_check_signature(const struct img_pack *pack, const char *pem, size_t n_bytes)
{
	uint32_t n = pack->info.n_signatures;
	EVP_PKEY *key = NULL;
	int r = img_key_public(pem, n_bytes, &key);

	if (r < 0)
		return r;
	r = n == 0 ? IMG_ERR_UNSIGNED : IMG_ERR_SIGNATURE;
	for (uint32_t i = 0; i < n && r == IMG_ERR_SIGNATURE; i++)
		r = img_key_verify(key, &pack->head.slots[i], &pack->head);
	EVP_PKEY_free(key);
	return of_pack(r);
}

int img_pack_front(const uint8_t image_digest[IMG_DIGEST_BYTES], const void *table,
		   size_t table_bytes, uint64_t hot_bytes,
		   uint8_t ret[IMG_PACK_FRONT_BYTES])
{
	struct disk_pack h = {0};
	int r;

	_Static_assert(IMG_PACK_FRONT_BYTES == DISK_PACK_HOT_OFF, "side file");
	img_skip_header(IMG_PACK_HEAD_BYTES - DISK_SKIP_HEADER_BYTES, (uint8_t *)&h.skip);
	memcpy(h.magic, DISK_PACK_MAGIC, sizeof h.magic);
	le32_store(h.version, DISK_PACK_VERSION);
	memcpy(h.image_digest, image_digest, sizeof h.image_digest);
	le64_store(h.file_bytes, DISK_PACK_HOT_OFF + hot_bytes);
	le64_store(h.hot.off, DISK_PACK_HOT_OFF);
	le64_store(h.hot.n_bytes, hot_bytes);
	le64_store(h.hot_table_bytes, table_bytes);
	r = img_sha256(table, table_bytes, h.hot.digest);
	if (r == 0)
		r = img_sha256(&h, DISK_SIGNED_BYTES, h.digest);
	if (r == 0)
		r = img_sha256(&h, offsetof(struct disk_pack, checksum), h.checksum);
	if (r < 0)
		return r;
	memcpy(ret, &h, sizeof h);
	img_skip_header(hot_bytes, ret + sizeof h);
	return 0;
}
