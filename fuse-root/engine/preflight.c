/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preflight.c - see preflight.h
 */
#include "engine/preflight.h"

#define MIB (UINT64_C(1) << 20)
/*
 * zram compresses page by page, with less effort than the image was made with: a Debian
 * root of 551 MB takes 143 MB in the image at level 9 and 249 MB of zram with lz4, 242
 * with lzo-rle, zsmalloc's unused room included.
 */
#define ZRAM_PERCENT_OF_DATA 180u
/* No data of a filesystem compresses better than this on the whole. */
#define RAW_PERCENT_OF_DATA 400u
/* struct zram_table_entry: 16 bytes a page, 24 where the kernel tracks accesses. */
#define ZRAM_TABLE_BYTES_PER_PAGE 24u

uint64_t preflight_reserve(uint64_t reserve_option, uint64_t total_bytes)
{
	if (reserve_option)
		return reserve_option;
	return min_u64(max_u64(total_bytes / 20, 64 * MIB), 4096 * MIB);
}

/* Without overflow: images end at 2^63 bytes by far. */
static uint64_t percent_of(uint64_t n, unsigned percent)
{
	return n / 100 * percent + n % 100 * percent / 100;
}

void preflight(const struct img_info *info, bool is_zram, const struct memory *memory,
	       uint64_t reserve_option, uint64_t limit_bytes, struct preflight *ret)
{
	const unsigned percent = is_zram ? ZRAM_PERCENT_OF_DATA : RAW_PERCENT_OF_DATA;
	uint64_t need = min_u64(percent_of(info->data_bytes, percent), info->image_bytes);

	if (is_zram)
		need += info->image_bytes / IMG_BLOCK_BYTES * ZRAM_TABLE_BYTES_PER_PAGE;
	*ret = (struct preflight){
		.need_bytes = need,
		.available_bytes = memory->available_bytes,
		.reserve_bytes = preflight_reserve(reserve_option, memory->total_bytes),
		.limit_bytes = limit_bytes,
	};
	ret->fits = need <= ret->available_bytes &&
		    ret->reserve_bytes <= ret->available_bytes - need &&
		    (limit_bytes == 0 || need <= limit_bytes);
}
