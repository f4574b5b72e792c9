/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotpack.c - the table of a hot pack
 *
 * Frames and runs are two lists that must tell the same story: each frame holds whole
 * runs, and together they hold all of them.
 */
#include "imgfmt/digest.h"
#include "imgfmt/internal.h"
#include "imgfmt/layout.h"

/* Where a table is said to be and how long; in HEAD or in PACK HEAD. */
struct place {
	uint64_t hot_bytes, table_bytes;
	const uint8_t *digest;
};

void img_hot_free(struct img_hot *hot)
{
	if (!hot)
		return;
	free(hot->frames);
	free(hot->runs);
	free(hot);
}

static int check_header(const struct img *img, const struct disk_hot_table *t,
			size_t n_bytes)
{
	uint64_t n_frames = le32_load(t->n_frames), n_runs = le32_load(t->n_runs);

	if (memcmp(t->magic, DISK_HOT_MAGIC, sizeof t->magic) != 0)
		return IMG_FAULT_HOT_MAGIC;
	if (!img_is_zero(t->reserved, sizeof t->reserved))
		return IMG_FAULT_HOT_RESERVED;
	if (memcmp(t->raw_digest, img->info.raw_digest, sizeof t->raw_digest) != 0)
		return IMG_FAULT_HOT_RAW_DIGEST;
	if (le64_load(t->image_bytes) != img->info.image_bytes)
		return IMG_FAULT_HOT_IMAGE_BYTES;
	if (le32_load(t->chunk_bytes) != img->info.chunk_bytes)
		return IMG_FAULT_HOT_CHUNK_BYTES;
	if (n_frames < 1)
		return IMG_FAULT_HOT_NO_FRAMES;
	if (n_frames > DISK_HOT_FRAMES_MAX)
		return IMG_FAULT_HOT_MORE_FRAMES;
	if (n_runs < 1)
		return IMG_FAULT_HOT_NO_RUNS;
	if (n_runs > DISK_HOT_RUNS_MAX)
		return IMG_FAULT_HOT_MORE_RUNS;
	return sizeof *t + n_frames * sizeof(struct disk_hot_frame) +
				       n_runs * sizeof(struct disk_hot_run) ==
			       n_bytes
		       ? 0
		       : IMG_FAULT_HOT_LENGTH;
}

static int check_frame(const struct img_hot_frame *f)
{
	if (f->raw_bytes == 0)
		return IMG_FAULT_HOT_FRAME_RAW_0;
	if (f->raw_bytes % IMG_BLOCK_BYTES != 0)
		return IMG_FAULT_HOT_FRAME_RAW_ODD;
	if (f->raw_bytes > DISK_HOT_FRAME_RAW_MAX)
		return IMG_FAULT_HOT_FRAME_RAW_MUCH;
	if (f->stored_bytes < DISK_FRAME_BYTES_MIN)
		return IMG_FAULT_HOT_FRAME_LITTLE;
	if (f->stored_bytes > img_stored_bytes_max(DISK_HOT_FRAME_RAW_MAX))
		return IMG_FAULT_HOT_FRAME_MUCH;
	return 0;
}

/* Lengths within their limits, and frames that fill the payload behind the table. */
static int decode_frames(const struct place *place, const struct disk_hot_frame *from,
			 struct img_hot *hot)
{
	uint64_t off = place->table_bytes;

	for (uint32_t i = 0; i < hot->n_frames; i++) {
		struct img_hot_frame *f = &hot->frames[i];
		int r;

		f->hot_off = off;
		f->stored_bytes = le32_load(from[i].stored_bytes);
		f->raw_bytes = le32_load(from[i].raw_bytes);
		memcpy(f->digest, from[i].digest, sizeof f->digest);
		r = check_frame(f);
		if (r < 0)
			return r;
		off += f->stored_bytes;
	}
	return off == place->hot_bytes ? 0 : IMG_FAULT_HOT_FRAMES_FILL;
}

static int check_run(const struct img *img, const struct img_hot_run *r)
{
	uint32_t raw_bytes = img_chunk_raw_bytes(img, r->ci); /* 0: no such chunk */

	if (r->n_blocks == 0)
		return IMG_FAULT_HOT_RUN_EMPTY;
	if (raw_bytes == 0)
		return IMG_FAULT_HOT_RUN_IMAGE;
	return (r->first_block + r->n_blocks) * IMG_BLOCK_BYTES > raw_bytes
		       ? IMG_FAULT_HOT_RUN_CHUNK
		       : 0;
}

static int decode_runs(const struct img *img, const struct disk_hot_run *from,
		       struct img_hot *hot)
{
	for (uint32_t i = 0; i < hot->n_runs; i++) {
		struct img_hot_run *run = &hot->runs[i];
		int r;

		run->ci = le32_load(from[i].ci);
		run->first_block = le16_load(from[i].first_block);
		run->n_blocks = le16_load(from[i].n_blocks);
		r = check_run(img, run);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Which runs are in which frame. */
static int share_out_runs(struct img_hot *hot)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < hot->n_frames; i++) {
		struct img_hot_frame *f = &hot->frames[i];
		uint64_t n_bytes = 0;

		f->first_run = run;
		while (run < hot->n_runs && n_bytes < f->raw_bytes)
			n_bytes += (uint64_t)hot->runs[run++].n_blocks * IMG_BLOCK_BYTES;
		f->n_runs = run - f->first_run;
		if (n_bytes != f->raw_bytes)
			return IMG_FAULT_HOT_RUN_FRAME;
	}
	return run == hot->n_runs ? 0 : IMG_FAULT_HOT_RUNS_LEFT;
}

static int compare_runs(const void *a, const void *b)
{
	const struct img_hot_run *x = a, *y = b;

	if (x->ci != y->ci)
		return x->ci < y->ci ? -1 : 1;
	return (x->first_block > y->first_block) - (x->first_block < y->first_block);
}

static int check_overlap(const struct img_hot *hot)
{
	cleanup_free struct img_hot_run *sorted = malloc(hot->n_runs * sizeof *sorted);

	if (!sorted)
		return IMG_ERR_MEMORY;
	memcpy(sorted, hot->runs, hot->n_runs * sizeof *sorted);
	qsort(sorted, hot->n_runs, sizeof *sorted, compare_runs);
	for (uint32_t i = 1; i < hot->n_runs; i++)
		if (sorted[i].ci == sorted[i - 1].ci &&
		    sorted[i].first_block <
			    sorted[i - 1].first_block + sorted[i - 1].n_blocks)
			return IMG_FAULT_HOT_RUN_TWICE;
	return 0;
}

static int decode(const struct img *img, const struct place *place, const uint8_t *table,
		  struct img_hot *hot)
{
	const struct disk_hot_table *t = (const void *)table;
	const struct disk_hot_frame *frames = (const void *)(t + 1);
	int r;

	hot->image_bytes = img->info.image_bytes;
	hot->chunk_bytes = img->info.chunk_bytes;
	memcpy(hot->raw_digest, img->info.raw_digest, sizeof hot->raw_digest);
	hot->n_frames = le32_load(t->n_frames);
	hot->n_runs = le32_load(t->n_runs);
	hot->frames = calloc(hot->n_frames, sizeof *hot->frames);
	hot->runs = calloc(hot->n_runs, sizeof *hot->runs);
	if (!hot->frames || !hot->runs)
		return IMG_ERR_MEMORY;
	r = decode_frames(place, frames, hot);
	if (r == 0)
		r = decode_runs(img, (const void *)(frames + hot->n_frames), hot);
	if (r == 0)
		r = share_out_runs(hot);
	return r == 0 ? check_overlap(hot) : r;
}

/* As much of an image as a table tells of it. */
static int imagine(const struct disk_hot_table *t, struct img *ret)
{
	struct img_info *info = &ret->info;

	info->image_bytes = le64_load(t->image_bytes);
	info->chunk_bytes = le32_load(t->chunk_bytes);
	memcpy(info->raw_digest, t->raw_digest, sizeof info->raw_digest);
	if (!img_geometry_is_valid(info->image_bytes, info->chunk_bytes))
		return IMG_FAULT_HOT_CHUNK_BYTES;
	info->n_chunks = div_round_up(info->image_bytes, info->chunk_bytes);
	return 0;
}

static int new_at(const struct img *img, const struct place *place, const void *table,
		  size_t n_bytes, struct img_hot **ret_hot)
{
	struct img imagined = {0};
	struct img_hot *hot;
	int r;

	if (n_bytes != place->table_bytes || n_bytes < DISK_HOT_TABLE_BYTES_MIN)
		return IMG_ERR_LENGTH;
	r = img_sha256_check(table, n_bytes, place->digest);
	if (r == 0 && !img) {
		r = imagine(table, &imagined);
		img = &imagined;
	}
	if (r == 0)
		r = check_header(img, table, n_bytes);
	if (r < 0)
		return r;
	hot = calloc(1, sizeof *hot);
	if (!hot)
		return IMG_ERR_MEMORY;
	r = decode(img, place, table, hot);
	if (r < 0) {
		img_hot_free(hot);
		return r;
	}
	*ret_hot = hot;
	return 0;
}

int img_hot_new(const struct img *img, const void *table, size_t n_bytes,
		struct img_hot **ret_hot)
{
	const struct place place = {img->info.hot_bytes, img->info.hot_table_bytes,
				    img->digests.hot_table};

	return img->info.hot_bytes == 0 ? IMG_ERR_RANGE
					: new_at(img, &place, table, n_bytes, ret_hot);
}

int img_pack_hot_new(const struct img_pack *pack, const struct img *img,
		     const void *table, size_t n_bytes, struct img_hot **ret_hot)
{
	const struct img_pack_info *info = img_pack_info(pack);
	const struct place place = {info->hot_bytes, info->hot_table_bytes,
				    info->hot_table_digest};

	if (img && memcmp(info->image_digest, img->info.digest, IMG_DIGEST_BYTES) != 0)
		return IMG_ERR_DIGEST;
	return new_at(img, &place, table, n_bytes, ret_hot);
}
