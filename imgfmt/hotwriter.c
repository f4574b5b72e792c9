/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotwriter.c - an order of blocks to runs, frames and the hot table
 *
 * A run ends where its chunk or its frame ends, so that each frame can be used by itself.  A
 * bitmap over the image's blocks keeps a block from coming twice; it is touched only where there
 * are blocks.
 */
#include "imgfmt/hotpack.h"

#include "imgfmt/digest.h"
#include "imgfmt/internal.h"
#include "imgfmt/layout.h"
#include "imgfmt/writer.h"

#define BLOCKS_PER_FRAME (IMG_HOT_FRAME_RAW_MAX / IMG_BLOCK_BYTES)

struct img_hot_writer {
	uint64_t image_bytes;
	uint32_t chunk_bytes;
	struct img_encoder *encoder;
	uint8_t *seen; /* a bit a block */
	struct img_hot hot;
	uint32_t frames_room, runs_room;
	uint32_t n_encoded;
	uint64_t stored_bytes; /* of the frames so far */
};

int img_hot_writer_new(uint64_t image_bytes, uint32_t chunk_bytes, int level,
		       struct img_hot_writer **ret)
{
	struct img_hot_writer *w;

	if (!img_geometry_is_valid(image_bytes, chunk_bytes))
		return IMG_ERR_FIELD;
	w = calloc(1, sizeof *w);
	if (!w)
		return IMG_ERR_MEMORY;
	w->image_bytes = image_bytes;
	w->chunk_bytes = chunk_bytes;
	w->encoder = img_encoder_new(IMG_HOT_FRAME_RAW_MAX, level);
	w->seen = calloc(1, image_bytes / IMG_BLOCK_BYTES / 8 + 1);
	if (!w->encoder || !w->seen) {
		img_hot_writer_free(w);
		return IMG_ERR_MEMORY;
	}
	*ret = w;
	return 0;
}

void img_hot_writer_free(struct img_hot_writer *w)
{
	if (!w)
		return;
	img_encoder_free(w->encoder);
	free(w->seen);
	free(w->hot.frames);
	free(w->hot.runs);
	free(w);
}

static int grow(void **p, uint32_t *room, size_t item_bytes)
{
	uint32_t more = *room ? *room * 2 : 64;
	void *grown = realloc(*p, more * item_bytes);

	if (!grown)
		return IMG_ERR_MEMORY;
	*p = grown;
	*room = more;
	return 0;
}

static int open_frame(struct img_hot_writer *w)
{
	struct img_hot *hot = &w->hot;
	void *p = hot->frames;

	if (hot->n_frames > 0 &&
	    hot->frames[hot->n_frames - 1].raw_bytes < IMG_HOT_FRAME_RAW_MAX)
		return 0;
	if (hot->n_frames == DISK_HOT_FRAMES_MAX)
		return IMG_ERR_RANGE;
	if (hot->n_frames == w->frames_room) {
		if (grow(&p, &w->frames_room, sizeof *hot->frames) < 0)
			return IMG_ERR_MEMORY;
		hot->frames = p;
	}
	hot->frames[hot->n_frames++] = (struct img_hot_frame){.first_run = hot->n_runs};
	return 0;
}

/* One block behind the last; a run of its own where it does not continue one. */
static int add_block(struct img_hot_writer *w, uint64_t block)
{
	uint32_t per_chunk = w->chunk_bytes / IMG_BLOCK_BYTES;
	uint64_t ci = block / per_chunk;
	uint32_t in_chunk = (uint32_t)(block % per_chunk);
	struct img_hot *hot = &w->hot;
	struct img_hot_frame *frame;
	struct img_hot_run *last;
	void *p = hot->runs;
	int r = open_frame(w);

	if (r < 0)
		return r;
	frame = &hot->frames[hot->n_frames - 1];
	last = frame->n_runs > 0 ? &hot->runs[hot->n_runs - 1] : NULL;
	if (last && last->ci == ci && last->first_block + last->n_blocks == in_chunk) {
		last->n_blocks++;
		frame->raw_bytes += IMG_BLOCK_BYTES;
		return 0;
	}
	if (hot->n_runs == DISK_HOT_RUNS_MAX)
		return IMG_ERR_RANGE;
	if (hot->n_runs == w->runs_room) {
		if (grow(&p, &w->runs_room, sizeof *hot->runs) < 0)
			return IMG_ERR_MEMORY;
		hot->runs = p;
	}
	hot->runs[hot->n_runs++] = (struct img_hot_run){ci, in_chunk, 1};
	frame->n_runs++;
	frame->raw_bytes += IMG_BLOCK_BYTES;
	return 0;
}

int img_hot_writer_add(struct img_hot_writer *w, uint64_t first, uint64_t n)
{
	uint64_t n_blocks = w->image_bytes / IMG_BLOCK_BYTES;

	if (first >= n_blocks || n > n_blocks - first)
		return IMG_ERR_RANGE;
	for (uint64_t block = first; block < first + n; block++) {
		int r;

		if (w->seen[block / 8] >> (block % 8) & 1)
			continue;
		r = add_block(w, block);
		if (r < 0)
			return r;
		w->seen[block / 8] |= (uint8_t)(1u << (block % 8));
	}
	return 0;
}

const struct img_hot *img_hot_writer_layout(const struct img_hot_writer *w)
{
	return &w->hot;
}

int img_hot_writer_encode(struct img_hot_writer *w, uint32_t i, const void *raw,
			  void *dst, size_t dst_bytes, uint32_t *ret_stored_bytes)
{
	struct img_hot_frame *frame;
	int r;

	if (i != w->n_encoded || i >= w->hot.n_frames)
		return IMG_ERR_RANGE;
	frame = &w->hot.frames[i];
	r = img_frame_encode(w->encoder, raw, frame->raw_bytes, dst, dst_bytes,
			     &frame->stored_bytes, frame->digest);
	if (r < 0)
		return r;
	w->n_encoded++;
	w->stored_bytes += frame->stored_bytes;
	*ret_stored_bytes = frame->stored_bytes;
	return 0;
}

static void encode_table(const struct img_hot_writer *w,
			 const uint8_t raw_digest[IMG_DIGEST_BYTES], uint8_t *ret)
{
	const struct img_hot *hot = &w->hot;
	struct disk_hot_table *t = (void *)ret;
	struct disk_hot_frame *frames = (void *)(t + 1);
	struct disk_hot_run *runs = (void *)(frames + hot->n_frames);

	memcpy(t->magic, DISK_HOT_MAGIC, sizeof t->magic);
	memcpy(t->raw_digest, raw_digest, sizeof t->raw_digest);
	le64_store(t->image_bytes, w->image_bytes);
	le32_store(t->chunk_bytes, w->chunk_bytes);
	le32_store(t->n_frames, hot->n_frames);
	le32_store(t->n_runs, hot->n_runs);
	for (uint32_t i = 0; i < hot->n_frames; i++) {
		le32_store(frames[i].stored_bytes, hot->frames[i].stored_bytes);
		le32_store(frames[i].raw_bytes, hot->frames[i].raw_bytes);
		memcpy(frames[i].digest, hot->frames[i].digest, IMG_DIGEST_BYTES);
	}
	for (uint32_t i = 0; i < hot->n_runs; i++) {
		le32_store(runs[i].ci, (uint32_t)hot->runs[i].ci);
		le16_store(runs[i].first_block, (uint16_t)hot->runs[i].first_block);
		le16_store(runs[i].n_blocks, (uint16_t)hot->runs[i].n_blocks);
	}
}

int img_hot_writer_finish(struct img_hot_writer *w,
			  const uint8_t raw_digest[IMG_DIGEST_BYTES], void **ret_table,
			  size_t *ret_table_bytes, uint64_t *ret_hot_bytes)
{
	const struct img_hot *hot = &w->hot;
	size_t n_bytes = sizeof(struct disk_hot_table) +
			 hot->n_frames * sizeof(struct disk_hot_frame) +
			 hot->n_runs * sizeof(struct disk_hot_run);
	uint8_t *table;

	if (hot->n_frames == 0 || w->n_encoded != hot->n_frames)
		return IMG_ERR_FIELD;
	if (n_bytes + w->stored_bytes > DISK_HOT_BYTES_MAX)
		return IMG_ERR_RANGE;
	table = calloc(1, n_bytes);
	if (!table)
		return IMG_ERR_MEMORY;
	encode_table(w, raw_digest, table);
	*ret_table = table;
	*ret_table_bytes = n_bytes;
	*ret_hot_bytes = n_bytes + w->stored_bytes;
	return 0;
}
