/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.h - making an image: chunks to frames, frames to tables
 *
 * The caller brings the threads and the files.  Chunks are encoded in any order, each by
 * one img_encoder, and added in order; the tables come out at the end, when all lengths
 * are known:
 *
 *     front (HEAD, META, PAGE TABLE, INDEX PAGES), all frames as added, the seek table
 */
#ifndef IMGFMT_WRITER_H
#define IMGFMT_WRITER_H

#include "imgfmt/imgfmt.h"

struct img_encoder; /* one per thread */
struct img_writer;

#define IMG_LEVEL_DEFAULT 6
void img_level_range(int *ret_min, int *ret_max);

/* NULL without memory or for a level that libzstd does not know. */
struct img_encoder *img_encoder_new(uint32_t chunk_bytes, int level);
void img_encoder_free(struct img_encoder *e);

/* What it takes now: all that it will ever take once it has encoded a whole chunk. */
size_t img_encoder_bytes(const struct img_encoder *e);

/*
 * One chunk into its frame; dst has room for img_stored_bytes_max(chunk_bytes).  *ret
 * gets the frame's length and digest and whether the chunk is zero; ci and src_off are
 * the writer's. Errors: LENGTH INTERNAL.
 */
int img_chunk_encode(struct img_encoder *e, const void *raw, uint32_t raw_bytes,
		     void *dst, size_t dst_bytes, struct img_chunk *ret) _must_check_;

/* The same for a chunk that is known to be zero; its frame is img_zero_frame's. */
void img_zero_chunk_encode(uint32_t raw_bytes, struct img_chunk *ret);

/* Any bytes into a frame, zeros too: for hot packs.  Errors: LENGTH INTERNAL. */
int img_frame_encode(struct img_encoder *e, const void *raw, uint32_t raw_bytes,
		     void *dst, size_t dst_bytes, uint32_t *ret_stored_bytes,
		     uint8_t ret_digest[IMG_DIGEST_BYTES]) _must_check_;

/* Error: FIELD for a chunk size outside the limits, MEMORY. */
int img_writer_new(uint32_t chunk_bytes, struct img_writer **ret_writer) _must_check_;
void img_writer_free(struct img_writer *w);

/*
 * The next chunk.  All have chunk_bytes but the last, which has a multiple of 4096.
 * Errors: RANGE (beyond the limits, or behind a short chunk) LENGTH MEMORY INTERNAL.
 */
int img_writer_add(struct img_writer *w, const struct img_chunk *chunk) _must_check_;

/* What HEAD says that does not follow from the chunks. */
struct img_writer_head {
	const void *meta;
	size_t meta_bytes;
	uint64_t version_number;
	const uint8_t *raw_digest; /* see img_hash_raw_chunk */
	/* HOT PACK, or NULL, 0, 0; front then ends with its table, and its frames follow */
	const void *hot_table;
	size_t hot_table_bytes;
	uint64_t hot_bytes; /* table and frames */
};

/* What goes before and behind the frames; free() both. */
struct img_writer_tables {
	void *front;
	size_t front_bytes;
	void *seek;
	size_t seek_bytes;
	struct img_info info;
};

/* Of what was added so far. */
uint64_t img_writer_image_bytes(const struct img_writer *w);

/*
 * What was said of chunk ci, once it was added; src_off counts from the start of DATA.  Error:
 * RANGE.
 */
int img_writer_chunk(const struct img_writer *w, uint64_t ci,
		     struct img_chunk *ret) _must_check_;

/*
 * Once, after the last chunk; img_writer_chunk knows nothing any more then.  Errors: FIELD (no
 * chunk, META's length) MEMORY INTERNAL.
 */
int img_writer_finish(struct img_writer *w, const struct img_writer_head *head,
		      struct img_writer_tables *ret) _must_check_;

#endif
