/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotpack.h - the table of a hot pack: which blocks a boot reads first, and where they
 * are
 *
 * The table is checked as a whole; after that the frames can be fetched, checked by their
 * digest and decoded (img_frame_decode) one after the other.
 */
#ifndef IMGFMT_HOTPACK_H
#define IMGFMT_HOTPACK_H

#include "imgfmt/imgfmt.h"

/* Consecutive blocks of one chunk. */
struct img_hot_run {
	uint64_t ci;
	uint32_t first_block; /* in the chunk */
	uint32_t n_blocks;
};

/*
 * One zstd frame, with the blocks of runs first_run … first_run + n_runs - 1, in
 * order.
 */
struct img_hot_frame {
	uint64_t hot_off; /* from the start of the hot pack's payload */
	uint32_t stored_bytes;
	uint32_t raw_bytes;
	uint32_t first_run;
	uint32_t n_runs;
	uint8_t digest[IMG_DIGEST_BYTES];
};

struct img_hot {
	uint32_t n_frames;
	uint32_t n_runs;
	struct img_hot_frame *frames;
	struct img_hot_run *runs;
};

/*
 * Check and decode the table: info.hot_table_bytes at info.hot_off.  *ret_hot is the
 * caller's to img_hot_free.  Errors: RANGE (the image has no hot pack) LENGTH DIGEST
 * MAGIC FIELD RESERVED MEMORY INTERNAL.
 */
int img_hot_new(const struct img *img, const void *table, size_t n_bytes,
		struct img_hot **ret_hot) _must_check_;
void img_hot_free(struct img_hot *hot);

#endif
