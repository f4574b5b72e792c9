/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testimage.h - real images in memory whose contents follow from the chunk's number
 *
 * Made by the writer of imgfmt.  What a chunk must read as can be computed at any time, so an image
 * of thousands of chunks costs no more than its file.  Failure to build one is an assert.
 */
#ifndef FAKES_TESTIMAGE_H
#define FAKES_TESTIMAGE_H

#include "imgfmt/imgfmt.h"

#define TESTIMAGE_CHUNK_BYTES 65536u

struct testimage {
	uint8_t *file;
	size_t n_bytes;
	struct img *img; /* with its page table */
	const struct img_info *info;
	bool (*is_zero)(uint64_t ci);
	bool spoil_hot_block;
};

/* Blocks of a hot pack. */
struct testimage_hot {
	uint64_t block, n;
	bool is_spoilt; /* of the first run: a byte in each frame's first block is wrong */
};

/* META of the next ones; the caller's. */
extern const char *testimage_meta;

/* last_bytes: length of the last chunk.  is_zero: which chunks are zero; NULL: none. */
void testimage_new(struct testimage *t, uint64_t n_chunks, uint32_t last_bytes,
		   bool (*is_zero)(uint64_t ci));
/* The same with a hot pack, unless n_runs is 0. */
void testimage_new_hot(struct testimage *t, uint64_t n_chunks, uint32_t last_bytes,
		       bool (*is_zero)(uint64_t ci), const struct testimage_hot *runs,
		       unsigned n_runs);
/* A hot pack beside it, unsigned; the caller's to free(). */
uint8_t *testimage_pack(const struct testimage *t, const struct testimage_hot *runs,
			unsigned n_runs, size_t *ret_bytes);
void testimage_free(struct testimage *t);

/* What the image has in one block. */
void testimage_block(const struct testimage *t, uint64_t block, uint8_t *ret);
/* Blocks [img_off, +n_bytes) of the image. */
void testimage_read(const struct testimage *t, uint64_t img_off, void *buf,
		    size_t n_bytes);
/* Where chunk ci is in the file. */
struct img_chunk testimage_chunk(const struct testimage *t, uint64_t ci);

#endif
