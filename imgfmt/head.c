/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.c - decode HEAD and check every field against its limits and against the others
 *
 * HEAD is decoded into a temporary and given out only when all of it holds.  Once it
 * does, no sum of its offsets and lengths can overflow, and the rest of the library
 * relies on that.
 */
#include "imgfmt/digest.h"
#include "imgfmt/internal.h"
#include "imgfmt/layout.h"

void img_free(struct img *img)
{
	if (!img)
		return;
	free(img->table);
	free(img->stored_before);
	free(img);
}

const struct img_info *img_info(const struct img *img)
{
	return &img->info;
}

const struct img_digests *img_digests(const struct img *img)
{
	return &img->digests;
}

const void *img_signed_bytes(const struct img *img)
{
	_Static_assert(IMG_SIGNED_BYTES == DISK_SIGNED_BYTES, "signed range");
	return &img->head;
}

uint32_t img_chunk_raw_bytes(const struct img *img, uint64_t ci)
{
	const struct img_info *info = &img->info;

	if (ci >= info->n_chunks)
		return 0;
	return (uint32_t)min_u64(info->image_bytes - ci * info->chunk_bytes,
				 info->chunk_bytes);
}

static void decode_section(const struct disk_section *s, uint64_t *ret_off,
			   uint64_t *ret_bytes, uint8_t ret_digest[IMG_DIGEST_BYTES])
{
	*ret_off = le64_load(s->off);
	*ret_bytes = le64_load(s->n_bytes);
	memcpy(ret_digest, s->digest, IMG_DIGEST_BYTES);
}

static void decode_fields(struct img *img)
{
	const struct disk_head *h = &img->head;
	struct img_info *info = &img->info;

	memcpy(info->uuid, h->uuid, sizeof info->uuid);
	info->image_bytes = le64_load(h->image_bytes);
	info->chunk_bytes = le32_load(h->chunk_bytes);
	info->n_chunks = le64_load(h->n_chunks);
	info->n_pages = le64_load(h->n_pages);
	info->version_number = le64_load(h->version_number);
	info->file_bytes = le64_load(h->file_bytes);
	info->data_off = le64_load(h->data_off);
	info->data_bytes = le64_load(h->data_bytes);
	info->pages_off = le64_load(h->pages_off);
	info->pages_bytes = le64_load(h->pages_bytes);
	info->hot_table_bytes = le64_load(h->hot_table_bytes);
	info->n_signatures = le32_load(h->n_signatures);
	memcpy(info->raw_digest, h->raw_digest, sizeof info->raw_digest);
	memcpy(info->digest, h->digest, sizeof info->digest);
	decode_section(&h->meta, &info->meta_off, &info->meta_bytes, img->digests.meta);
	decode_section(&h->table, &info->table_off, &info->table_bytes,
		       img->digests.table);
	decode_section(&h->hot, &info->hot_off, &info->hot_bytes, img->digests.hot_table);
	decode_section(&h->seek, &info->seek_off, &info->seek_bytes, img->digests.seek);
}

int img_head_identify(const struct disk_head *h, const void *magic, uint32_t version)
{
	int r;

	if (le32_load(h->skip.magic) != DISK_SKIP_MAGIC)
		return IMG_FAULT_NO_FRAME;
	if (memcmp(h->magic, magic, sizeof h->magic) != 0)
		return IMG_FAULT_NO_MAGIC;
	if (le32_load(h->version) != version)
		return IMG_ERR_VERSION;
	r = img_sha256_check(h, offsetof(struct disk_head, checksum), h->checksum);
	if (r < 0)
		return r == IMG_ERR_DIGEST ? IMG_ERR_CHECKSUM : r;
	if (le32_load(h->incompat) & ~DISK_INCOMPAT_KNOWN)
		return IMG_ERR_FEATURE;
	r = img_sha256_check(h, DISK_SIGNED_BYTES, h->digest);
	if (r == IMG_ERR_DIGEST)
		return IMG_FAULT_HEAD_DIGEST;
	if (r == 0 &&
	    le32_load(h->skip.payload_bytes) != IMG_HEAD_BYTES - DISK_SKIP_HEADER_BYTES)
		return IMG_FAULT_HEAD_SKIP_LENGTH;
	return r;
}

static int check_reserved(const struct disk_head *h)
{
	if (!img_is_zero(h->reserved_0, sizeof h->reserved_0))
		return IMG_FAULT_RESERVED_60;
	if (!img_is_zero(h->reserved_1, sizeof h->reserved_1))
		return IMG_FAULT_RESERVED_360;
	if (!img_is_zero(h->reserved_2, sizeof h->reserved_2))
		return IMG_FAULT_RESERVED_548;
	if (!img_is_zero(h->reserved_3, sizeof h->reserved_3))
		return IMG_FAULT_RESERVED_1112;
	return 0;
}

int img_slots_check(const struct disk_slot *slots, uint32_t n)
{
	if (n > IMG_SIGNATURES_MAX)
		return IMG_FAULT_N_SIGNATURES;
	for (uint32_t i = 0; i < IMG_SIGNATURES_MAX; i++) {
		const struct disk_slot *s = &slots[i];
		uint32_t algorithm = le32_load(s->algorithm);

		if (i >= n && !img_is_zero(s, sizeof *s))
			return IMG_FAULT_UNUSED_SLOT;
		if (i < n && algorithm == 0)
			return IMG_FAULT_SLOT_ALGORITHM;
		if (algorithm == DISK_SIG_ED25519 &&
		    !img_is_zero(s->signature + DISK_SIG_ED25519_BYTES,
				 sizeof s->signature - DISK_SIG_ED25519_BYTES))
			return IMG_FAULT_SLOT_TAIL;
	}
	return 0;
}

static bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int check_sizes(uint64_t image_bytes, uint32_t chunk_bytes)
{
	if (chunk_bytes < IMG_CHUNK_BYTES_MIN)
		return IMG_FAULT_CHUNK_BYTES_SMALL;
	if (chunk_bytes > IMG_CHUNK_BYTES_MAX)
		return IMG_FAULT_CHUNK_BYTES_LARGE;
	if (!is_power_of_two(chunk_bytes))
		return IMG_FAULT_CHUNK_BYTES_ODD;
	if (image_bytes == 0)
		return IMG_FAULT_IMAGE_BYTES_0;
	if (image_bytes % IMG_BLOCK_BYTES != 0)
		return IMG_FAULT_IMAGE_BYTES_ODD;
	if (div_round_up(image_bytes, chunk_bytes) > DISK_CHUNKS_MAX)
		return IMG_FAULT_IMAGE_BYTES_HUGE;
	return 0;
}

bool img_geometry_is_valid(uint64_t image_bytes, uint32_t chunk_bytes)
{
	return check_sizes(image_bytes, chunk_bytes) == 0;
}

static int check_geometry(const struct disk_head *h, const struct img_info *info)
{
	int r = check_sizes(info->image_bytes, info->chunk_bytes);

	if (le32_load(h->page_entries) != IMG_PAGE_ENTRIES)
		return IMG_FAULT_PAGE_ENTRIES;
	if (r < 0)
		return r;
	if (info->n_chunks != div_round_up(info->image_bytes, info->chunk_bytes))
		return IMG_FAULT_N_CHUNKS;
	if (info->n_pages != div_round_up(info->n_chunks, IMG_PAGE_ENTRIES))
		return IMG_FAULT_N_PAGES;
	if (info->version_number > DISK_VERSION_NUMBER_MAX)
		return IMG_FAULT_VERSION_NUMBER;
	return 0;
}

int img_hot_lengths_check(uint64_t hot_bytes, uint64_t table_bytes)
{
	if (hot_bytes > DISK_HOT_BYTES_MAX)
		return IMG_FAULT_HOT_MUCH;
	if (table_bytes < DISK_HOT_TABLE_BYTES_MIN)
		return IMG_FAULT_HOT_TABLE_LITTLE;
	if (table_bytes > DISK_HOT_TABLE_BYTES_MAX)
		return IMG_FAULT_HOT_TABLE_MUCH;
	return table_bytes > hot_bytes ? IMG_FAULT_HOT_TABLE_LONGER : 0;
}

static int check_hot(const struct img *img)
{
	const struct img_info *info = &img->info;
	bool no_digest = img_is_zero(img->digests.hot_table, IMG_DIGEST_BYTES);

	if (info->hot_off == 0)
		return info->hot_bytes == 0 && info->hot_table_bytes == 0 && no_digest
			       ? 0
			       : IMG_FAULT_HOT_HALF;
	if (no_digest)
		return IMG_FAULT_HOT_NO_DIGEST;
	return img_hot_lengths_check(info->hot_bytes, info->hot_table_bytes);
}

/* With the geometry valid, every limit here is far below 2^63. */
static int check_lengths(const struct img_info *info)
{
	if (info->meta_bytes < DISK_META_BYTES_MIN)
		return IMG_FAULT_META_SHORT;
	if (info->meta_bytes > IMG_META_BYTES_MAX)
		return IMG_FAULT_META_LONG;
	if (info->table_bytes != info->n_pages * sizeof(struct disk_table_entry))
		return IMG_FAULT_TABLE_LENGTH;
	if (info->pages_bytes > info->n_pages * DISK_PAGE_BYTES)
		return IMG_FAULT_PAGES_MUCH;
	if (info->pages_bytes % IMG_PAGE_ENTRY_BYTES != 0)
		return IMG_FAULT_PAGES_ODD;
	if (info->data_bytes < info->n_chunks * DISK_FRAME_BYTES_MIN)
		return IMG_FAULT_DATA_LITTLE;
	if (info->data_bytes > info->n_chunks * img_stored_bytes_max(info->chunk_bytes))
		return IMG_FAULT_DATA_MUCH;
	if (info->seek_bytes != img_seek_bytes(info))
		return IMG_FAULT_SEEK_LENGTH;
	return 0;
}

/* The one layout there is, from lengths that are within their limits. */
void img_layout(struct img_info *info)
{
	uint64_t end;

	info->meta_off = IMG_HEAD_BYTES + DISK_SKIP_HEADER_BYTES;
	info->table_off = info->meta_off + info->meta_bytes + DISK_SKIP_HEADER_BYTES;
	info->pages_off = info->table_off + info->table_bytes + DISK_SKIP_HEADER_BYTES;
	end = info->pages_off + info->pages_bytes;
	info->hot_off = info->hot_bytes > 0 ? end + DISK_SKIP_HEADER_BYTES : 0;
	info->data_off = info->hot_bytes > 0 ? info->hot_off + info->hot_bytes : end;
	info->seek_off = info->data_off + info->data_bytes;
	info->file_bytes = info->seek_off + info->seek_bytes;
}

static int check_layout(const struct img_info *info)
{
	struct img_info want = *info;

	img_layout(&want);
	if (info->meta_off != want.meta_off)
		return IMG_FAULT_META_OFF;
	if (info->table_off != want.table_off)
		return IMG_FAULT_TABLE_OFF;
	if (info->pages_off != want.pages_off)
		return IMG_FAULT_PAGES_OFF;
	if (info->hot_off != want.hot_off)
		return IMG_FAULT_HOT_OFF;
	if (info->data_off != want.data_off)
		return IMG_FAULT_DATA_OFF;
	if (info->seek_off != want.seek_off)
		return IMG_FAULT_SEEK_OFF;
	return info->file_bytes == want.file_bytes ? 0 : IMG_FAULT_FILE_BYTES;
}

int img_derive_uuid(const void *signed_range, uint8_t ret[IMG_UUID_BYTES])
{
	struct disk_head h;
	uint8_t digest[IMG_DIGEST_BYTES];
	int r;

	memcpy(&h, signed_range, DISK_SIGNED_BYTES);
	memset(h.uuid, 0, sizeof h.uuid);
	r = img_sha256(&h, DISK_SIGNED_BYTES, digest);
	if (r < 0)
		return r;
	memcpy(ret, digest, IMG_UUID_BYTES);
	ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x80);
	ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
	return 0;
}

int img_head_seal(struct disk_head *h)
{
	int r = img_derive_uuid(h, h->uuid);

	if (r == 0)
		r = img_sha256(h, DISK_SIGNED_BYTES, h->digest);
	if (r == 0)
		r = img_sha256(h, offsetof(struct disk_head, checksum), h->checksum);
	return r;
}

static int check_uuid(const struct disk_head *h)
{
	uint8_t uuid[IMG_UUID_BYTES];
	int r = img_derive_uuid(h, uuid);

	if (r < 0)
		return r;
	return memcmp(uuid, h->uuid, sizeof uuid) == 0 ? 0 : IMG_FAULT_HEAD_UUID;
}

static int check_head(struct img *img)
{
	int r = img_head_identify(&img->head, DISK_MAGIC, DISK_VERSION);

	if (r == 0)
		r = check_reserved(&img->head);
	if (r == 0)
		r = img_slots_check(img->head.slots, le32_load(img->head.n_signatures));
	if (r < 0)
		return r;
	decode_fields(img);
	r = check_geometry(&img->head, &img->info);
	if (r == 0)
		r = check_hot(img);
	if (r == 0)
		r = check_lengths(&img->info);
	if (r == 0)
		r = check_layout(&img->info);
	return r == 0 ? check_uuid(&img->head) : r;
}

int img_new(const void *head, size_t n_bytes, struct img **ret_img)
{
	struct img *img;
	int r;

	_Static_assert(sizeof img->head == IMG_HEAD_BYTES, "HEAD");
	if (n_bytes < IMG_HEAD_BYTES)
		return IMG_ERR_SHORT;
	img = calloc(1, sizeof *img);
	if (!img)
		return IMG_ERR_MEMORY;
	memcpy(&img->head, head, sizeof img->head);
	r = check_head(img);
	if (r < 0) {
		img_free(img);
		return r;
	}
	*ret_img = img;
	return 0;
}
