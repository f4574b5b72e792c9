/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - struct img, for the files of this library only
 */
#ifndef IMGFMT_INTERNAL_H
#define IMGFMT_INTERNAL_H

#include "imgfmt/imgfmt.h"
#include "imgfmt/ondisk.h"

struct img {
	struct img_info info;
	struct img_digests digests;
	struct disk_head head; /* as read, for the signature */

	/* The page table; NULL until img_set_table. */
	struct disk_table_entry *table;
	uint32_t *stored_before; /* per page: how many stored pages lie before it */
};

/*
 * The fields of *info into a HEAD of zeros, contradictory or not; digests of sections are
 * not among them.
 */
void img_head_encode(const struct img_info *info, struct disk_head *h);

/* UUID, digest and checksum of a HEAD whose other fields are set. */
int img_head_seal(struct disk_head *h) _must_check_;

/*
 * Is it a HEAD or PACK HEAD, as magic and version say, whole, and of a kind that we know?  In the
 * order of the answers that help: MAGIC VERSION CHECKSUM FEATURE DIGEST FIELD INTERNAL.  Both kinds
 * have these fields in the same places.
 */
int img_head_identify(const struct disk_head *h, const void *magic,
		      uint32_t version) _must_check_;

/* Of a hot pack and of the table in it.  Error: FIELD. */
int img_hot_lengths_check(uint64_t hot_bytes, uint64_t table_bytes) _must_check_;

/* The four slots of a HEAD or PACK HEAD, of which n are used.  Errors: FIELD RESERVED. */
int img_slots_check(const struct disk_slot *slots, uint32_t n) _must_check_;

/* The hash of a decoder, for whoever holds it: what it hashed before is forgotten. */
struct img_hash *img_decoder_hash(struct img_decoder *d);

#endif
