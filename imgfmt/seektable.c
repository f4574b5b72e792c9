/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seektable.c - the closing table of the Zstandard Seekable Format
 *
 * Made for other tools.  It has one right content, so it is never parsed: writer and
 * verify make it anew, piece by piece, since that of a huge image is large.
 */
#include "imgfmt/layout.h"
#include "imgfmt/ondisk.h"

_Static_assert(IMG_SEEK_ENTRY_BYTES == sizeof(struct disk_seek_entry), "entry");
_Static_assert(IMG_SEEK_END_BYTES == sizeof(struct disk_seek_footer), "end");
_Static_assert(IMG_SKIP_HEADER_BYTES == sizeof(struct disk_skip), "skippable header");

void img_skip_header(uint64_t payload_bytes, uint8_t ret[IMG_SKIP_HEADER_BYTES])
{
	le32_store(ret, DISK_SKIP_MAGIC);
	le32_store(ret + 4, (uint32_t)payload_bytes);
}

/* HEAD, META, PAGE TABLE, INDEX PAGES, and perhaps HOT PACK. */
static uint64_t n_own_frames(const struct img_info *info)
{
	return info->hot_bytes > 0 ? 5 : 4;
}

static uint64_t entries_bytes(const struct img_info *info)
{
	return (n_own_frames(info) + info->n_chunks) * IMG_SEEK_ENTRY_BYTES;
}

uint64_t img_seek_bytes(const struct img_info *info)
{
	return IMG_SKIP_HEADER_BYTES + entries_bytes(info) + IMG_SEEK_END_BYTES;
}

size_t img_seek_entry(uint32_t stored_bytes, uint32_t raw_bytes,
		      uint8_t ret[IMG_SEEK_ENTRY_BYTES])
{
	le32_store(ret, stored_bytes);
	le32_store(ret + 4, raw_bytes);
	return IMG_SEEK_ENTRY_BYTES;
}

size_t img_seek_front(const struct img_info *info, uint8_t ret[IMG_SEEK_FRONT_BYTES_MAX])
{
	const uint64_t payloads[] = {
		IMG_HEAD_BYTES - IMG_SKIP_HEADER_BYTES,
		info->meta_bytes,
		info->table_bytes,
		info->pages_bytes,
		info->hot_bytes,
	};
	uint8_t *p = ret;

	_Static_assert(IMG_SEEK_FRONT_BYTES_MAX ==
			       IMG_SKIP_HEADER_BYTES +
				       ARRAY_SIZE(payloads) * IMG_SEEK_ENTRY_BYTES,
		       "front");
	le32_store(p, DISK_SEEK_SKIP_MAGIC);
	le32_store(p + 4, (uint32_t)(entries_bytes(info) + IMG_SEEK_END_BYTES));
	p += IMG_SKIP_HEADER_BYTES;
	for (uint64_t i = 0; i < n_own_frames(info); i++)
		p += img_seek_entry((uint32_t)payloads[i] + IMG_SKIP_HEADER_BYTES, 0, p);
	return (size_t)(p - ret);
}

size_t img_seek_end(const struct img_info *info, uint8_t ret[IMG_SEEK_END_BYTES])
{
	le32_store(ret, (uint32_t)(n_own_frames(info) + info->n_chunks));
	ret[4] = 0;
	le32_store(ret + 5, DISK_SEEK_MAGIC);
	return IMG_SEEK_END_BYTES;
}
