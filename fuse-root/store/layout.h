/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - what a persistent store looks like on its device, as STORE.md says
 *
 * Only bytes to structs and back: no I/O.  A decode function believes nothing that it has not
 * checked, and writes its output only when all of it holds.
 */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include <stdint.h>

#include "imgfmt/base.h"

#define LAYOUT_BLOCK 4096u
#define LAYOUT_SUPER_COPIES 2u
#define LAYOUT_SUPER_STEP (64u * 1024) /* from one copy to the next */
#define LAYOUT_JOURNAL_OFF (128u * 1024)
#define LAYOUT_DIGEST_BYTES 32u
#define LAYOUT_UUID_BYTES 16u
#define LAYOUT_RECORDS 100u /* in a journal block */
#define LAYOUT_ALIGN (1024u * 1024)
#define LAYOUT_CHUNKS_MAX (1ull << 31)

/* The image that the store holds pieces of. */
struct layout_image {
	uint8_t digest[LAYOUT_DIGEST_BYTES]; /* the image's, of HEAD */
	uint64_t image_bytes; /* a multiple of 4096 */
	uint32_t chunk_bytes; /* a power of two, at least 32 KiB */
};

/* Where everything is; follows from the image alone. */
struct layout {
	uint64_t n_chunks;
	uint64_t half_blocks; /* blocks in each of the two halves of the journal */
	uint64_t data_off;
	uint64_t end; /* bytes that the device must have */
};

struct super {
	uint8_t uuid[LAYOUT_UUID_BYTES]; /* of this formatting */
	/* From 1; half generation % 2 of the journal is the one in use. */
	uint64_t generation;
	struct layout_image image;
};

struct record {
	uint64_t ci;
	bool is_dirty; /* else: stored, with digest */
	uint8_t digest[LAYOUT_DIGEST_BYTES]; /* SHA-256 of the raw chunk */
};

/* False when no store can hold such an image. */
bool layout_init(struct layout *l, const struct layout_image *image) _must_check_;
/* Of block `seq` in the half that `generation` uses. */
uint64_t layout_journal_off(const struct layout *l, uint64_t generation, uint64_t seq);
static inline uint64_t layout_super_off(unsigned copy)
{
	return (uint64_t)copy * LAYOUT_SUPER_STEP;
}

void super_encode(const struct super *s, uint8_t block[LAYOUT_BLOCK]);
/* False: not ours, damaged, or of another version. */
bool super_decode(const uint8_t block[LAYOUT_BLOCK], struct super *ret) _must_check_;
/* True when the block carries our magic, whole or damaged. */
bool super_is_ours(const uint8_t block[LAYOUT_BLOCK]) _must_check_;

/* n <= LAYOUT_RECORDS */
void journal_block_encode(const struct super *s, uint64_t seq,
			  const struct record *records, unsigned n,
			  uint8_t block[LAYOUT_BLOCK]);
/* How many records, or -1: not block `seq` of this generation of this store, or damaged. */
int journal_block_decode(const struct super *s, uint64_t seq, uint64_t n_chunks,
			 const uint8_t block[LAYOUT_BLOCK],
			 struct record ret[LAYOUT_RECORDS]) _must_check_;

#endif
