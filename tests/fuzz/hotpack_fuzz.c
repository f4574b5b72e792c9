/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotpack_fuzz.c - the table of a hot pack, in an image and in a side file
 *
 * Input: u32 length of the frames beside what the table says, then the table, which also says how
 * long image and chunks are, where that can be.
 */
#include "tests/fuzz/fuzz.h"

#define N_CHUNKS 64u
#define IMAGE_BYTES_MAX (1ull << 30)
#define TABLE_BYTES_MAX 65536u

static void check_hot(const struct img *img, const struct img_hot *hot)
{
	const struct img_info *info = img_info(img);
	uint32_t run = 0;
	uint64_t off = info->hot_table_bytes;

	for (uint32_t i = 0; i < hot->n_frames; i++) {
		const struct img_hot_frame *f = &hot->frames[i];
		uint64_t n_bytes = 0;

		fuzz_assert(f->hot_off == off && f->first_run == run);
		fuzz_assert(f->raw_bytes <= 256u * 1024 && f->raw_bytes % 4096 == 0);
		for (; run < f->first_run + f->n_runs; run++) {
			const struct img_hot_run *r = &hot->runs[run];

			fuzz_assert(r->n_blocks > 0);
			fuzz_assert((r->first_block + r->n_blocks) * 4096ull <=
				    img_chunk_raw_bytes(img, r->ci));
			n_bytes += r->n_blocks * 4096ull;
		}
		fuzz_assert(n_bytes == f->raw_bytes);
		off += f->stored_bytes;
	}
	fuzz_assert(off == info->hot_bytes && run == hot->n_runs);
}

/* The same table in a side file is the same hot pack. */
static void check_side_file(const struct img *img, const void *table, bool is_good)
{
	const struct img_info *info = img_info(img);
	struct img_pack *pack = NULL;
	struct img_hot *hot = NULL;
	struct disk_pack h;

	memset(&h, 0, sizeof h);
	img_skip_header(sizeof h - DISK_SKIP_HEADER_BYTES, (uint8_t *)&h.skip);
	memcpy(h.magic, DISK_PACK_MAGIC, sizeof h.magic);
	le32_store(h.version, DISK_PACK_VERSION);
	memcpy(h.image_digest, info->digest, sizeof h.image_digest);
	le64_store(h.file_bytes, DISK_PACK_HOT_OFF + info->hot_bytes);
	le64_store(h.hot.off, DISK_PACK_HOT_OFF);
	le64_store(h.hot.n_bytes, info->hot_bytes);
	memcpy(h.hot.digest, img_digests(img)->hot_table, sizeof h.hot.digest);
	le64_store(h.hot_table_bytes, info->hot_table_bytes);
	fuzz_sha256(&h, DISK_SIGNED_BYTES, h.digest);
	fuzz_sha256(&h, offsetof(struct disk_pack, checksum), h.checksum);
	fuzz_assert(img_pack_new(&h, sizeof h, &pack) == 0);
	fuzz_assert((img_pack_hot_new(pack, img, table, info->hot_table_bytes, &hot) ==
		     0) == is_good);
	img_hot_free(hot);
	img_pack_free(pack);
}

static uint64_t frames_bytes(const uint8_t *table, size_t n_bytes)
{
	const struct disk_hot_table *t = (const void *)table;
	const struct disk_hot_frame *f = (const void *)(t + 1);
	uint64_t n = min_u64(le32_load(t->n_frames), (n_bytes - sizeof *t) / sizeof *f);
	uint64_t sum = 0;

	while (n-- > 0)
		sum += le32_load((f++)->stored_bytes);
	return sum;
}

static void run(const struct img_info *info, uint8_t *table)
{
	struct disk_hot_table *t = (void *)table;
	struct img_digests digests = {0};
	struct img_hot *hot = NULL;
	struct img *img;
	bool is_good;

	memcpy(t->magic, DISK_HOT_MAGIC, sizeof t->magic);
	memcpy(t->raw_digest, info->raw_digest, sizeof t->raw_digest);
	le64_store(t->image_bytes, info->image_bytes);
	le32_store(t->chunk_bytes, info->chunk_bytes);
	fuzz_sha256(table, info->hot_table_bytes, digests.hot_table);
	img = fuzz_img(info, &digests);
	if (!img)
		return;
	is_good = img_hot_new(img, table, info->hot_table_bytes, &hot) == 0;
	if (is_good) {
		check_hot(img, hot);
		fuzz_accept();
	}
	check_side_file(img, table, is_good);
	img_hot_free(hot);
	img_free(img);
}

/* Of a small image, so that runs come to its end. */
static void set_geometry(const struct disk_hot_table *t, struct img_info *info)
{
	uint64_t n_chunks;

	info->image_bytes = le64_load(t->image_bytes);
	info->chunk_bytes = le32_load(t->chunk_bytes);
	if (!img_geometry_is_valid(info->image_bytes, info->chunk_bytes) ||
	    info->image_bytes > IMAGE_BYTES_MAX) {
		info->chunk_bytes = IMG_CHUNK_BYTES_MIN;
		info->image_bytes = N_CHUNKS * IMG_CHUNK_BYTES_MIN - 4 * IMG_BLOCK_BYTES;
	}
	n_chunks = div_round_up(info->image_bytes, info->chunk_bytes);
	info->table_bytes = div_round_up(n_chunks, IMG_PAGE_ENTRIES) *
			    sizeof(struct disk_table_entry);
	info->data_bytes = n_chunks * DISK_FRAME_BYTES_MIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct fuzz_input in = {data, n_bytes};
	struct img_info info = {.meta_bytes = 2};
	uint32_t more = fuzz_u32(&in);
	uint8_t *table;

	if (in.n < sizeof(struct disk_hot_table) || in.n > TABLE_BYTES_MAX)
		return 0;
	info.hot_table_bytes = in.n;
	table = fuzz_copy(in.p, in.n);
	set_geometry((const void *)table, &info);
	info.hot_bytes = in.n + frames_bytes(table, in.n) + more;
	run(&info, table);
	free(table);
	return 0;
}
