/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seektable_fuzz.c - the closing seek table: it is made, never parsed, so what is made
 * for any lengths must be what the zstd seekable format says
 *
 * Input: u64 lengths of META, PAGE TABLE, INDEX PAGES and HOT PACK, then u32 lengths of
 * frames.
 */
#include "tests/fuzz/fuzz.h"

static void check_entry(const uint8_t *p, uint64_t stored, uint32_t raw)
{
	fuzz_assert(le32_load(p) == stored && le32_load(p + 4) == raw);
}

/* An independent reading of it. */
static void check(const struct img_info *info, const uint8_t *seek, struct fuzz_input in)
{
	const uint8_t *footer = seek + info->seek_bytes - 9, *p = seek + 8;
	uint32_t n_own = info->hot_bytes > 0 ? 5 : 4;

	fuzz_assert(le32_load(seek) == 0x184D2A5E);
	fuzz_assert(le32_load(seek + 4) == info->seek_bytes - 8);
	fuzz_assert(le32_load(footer) == n_own + info->n_chunks);
	fuzz_assert(footer[4] == 0 && le32_load(footer + 5) == 0x8F92EAB1);
	check_entry(p, 4096, 0);
	check_entry(p + 8, info->meta_bytes + 8, 0);
	check_entry(p + 16, info->table_bytes + 8, 0);
	check_entry(p + 24, info->pages_bytes + 8, 0);
	if (info->hot_bytes > 0)
		check_entry(p + 32, info->hot_bytes + 8, 0);
	p += (size_t)n_own * 8;
	for (uint64_t i = 0; i < info->n_chunks; i++, p += 8)
		check_entry(p, fuzz_u32(&in), info->chunk_bytes);
	fuzz_assert(p == footer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct fuzz_input in = {data, n_bytes}, again;
	struct img_info info = {.chunk_bytes = IMG_CHUNK_BYTES_DEFAULT};
	uint8_t *seek, *p, front[IMG_SEEK_FRONT_BYTES_MAX];
	size_t n_front;

	info.meta_bytes = fuzz_u64(&in) % (IMG_META_BYTES_MAX + 1);
	info.table_bytes = fuzz_u64(&in) % (65536 * 40 + 1);
	info.pages_bytes = fuzz_u64(&in) % (65536ull * DISK_PAGE_BYTES + 1);
	info.hot_bytes = fuzz_u64(&in) % (DISK_HOT_BYTES_MAX + 1ull);
	info.n_chunks = in.n / 4;
	info.seek_bytes = img_seek_bytes(&info);
	seek = malloc(info.seek_bytes);
	fuzz_assert(seek);
	again = in;
	p = seek;
	n_front = img_seek_front(&info, front);
	memcpy(p, front, n_front);
	p += n_front;
	for (uint64_t i = 0; i < info.n_chunks; i++)
		p += img_seek_entry(fuzz_u32(&in), info.chunk_bytes, p);
	p += img_seek_end(&info, p);
	fuzz_assert(p == seek + info.seek_bytes);
	check(&info, seek, again);
	fuzz_accept();
	free(seek);
	return 0;
}
