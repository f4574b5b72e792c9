/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotpack.h - making hot packs: an order of blocks to runs and frames, and the table of them
 *
 * The caller brings the blocks and the files.  Blocks are named in the order of their first access;
 * img_hot_writer_layout says which blocks are in which frame; frames are encoded in order;
 * the table, which goes before them, comes out at the end.  Readers are in imgfmt.h.
 */
#ifndef IMGFMT_HOTPACK_H
#define IMGFMT_HOTPACK_H

#include "imgfmt/imgfmt.h"

struct img_hot_writer;

/* Errors: FIELD (geometry or level) MEMORY. */
int img_hot_writer_new(uint64_t image_bytes, uint32_t chunk_bytes, int level,
		       struct img_hot_writer **ret) _must_check_;
void img_hot_writer_free(struct img_hot_writer *w);

/*
 * Blocks [first, +n) of the image come next; those that came before are left out.  They
 * must lie within the image, else RANGE; RANGE also when the pack is full, then none of
 * them is added.  Errors also: MEMORY.
 */
int img_hot_writer_add(struct img_hot_writer *w, uint64_t first, uint64_t n) _must_check_;

/*
 * Runs and frames of what was added; borrowed, valid until the next add.  Lengths stored
 * and digests are set by img_hot_writer_encode.
 */
const struct img_hot *img_hot_writer_layout(const struct img_hot_writer *w);

/*
 * Frame i, in order: its blocks, frames[i].raw_bytes of them, into dst with room for
 * img_stored_bytes_max(IMG_HOT_FRAME_RAW_MAX).  Errors: LENGTH RANGE INTERNAL.
 */
int img_hot_writer_encode(struct img_hot_writer *w, uint32_t i, const void *raw,
			  void *dst, size_t dst_bytes,
			  uint32_t *ret_stored_bytes) _must_check_;

/*
 * After the last frame: the table, the caller's to free().  *ret_hot_bytes: of table and
 * frames.  Errors: FIELD (no frame, or one that was not encoded) RANGE (larger than 1
 * GiB) MEMORY.
 */
int img_hot_writer_finish(struct img_hot_writer *w,
			  const uint8_t raw_digest[IMG_DIGEST_BYTES], void **ret_table,
			  size_t *ret_table_bytes, uint64_t *ret_hot_bytes) _must_check_;

/*
 * What goes before the table and frames of a side file: PACK HEAD, unsigned, and the
 * header of the hot pack's frame.  Error: INTERNAL.
 */
#define IMG_PACK_FRONT_BYTES (IMG_PACK_HEAD_BYTES + 8)
int img_pack_front(const uint8_t image_digest[IMG_DIGEST_BYTES], const void *table,
		   size_t table_bytes, uint64_t hot_bytes,
		   uint8_t ret[IMG_PACK_FRONT_BYTES]) _must_check_;

#endif
