/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - SHA-256, at once or in pieces
 *
 * A struct img_hash is made once and used again and again, so that the read path of a
 * root disk allocates nothing.  One per thread.
 */
#ifndef IMGFMT_DIGEST_H
#define IMGFMT_DIGEST_H

#include "imgfmt/imgfmt.h"

struct img_hash;

/* NULL without memory, or when libcrypto has no SHA-256. */
struct img_hash *img_hash_new(void);
void img_hash_free(struct img_hash *h);

/* Every round is begin, update any number of times, end.  Error: INTERNAL. */
int img_hash_begin(struct img_hash *h) _must_check_;
int img_hash_update(struct img_hash *h, const void *buf, size_t n_bytes) _must_check_;
int img_hash_end(struct img_hash *h, uint8_t ret[IMG_DIGEST_BYTES]) _must_check_;

/* A whole round over one buffer. */
int img_hash_once(struct img_hash *h, const void *buf, size_t n_bytes,
		  uint8_t ret[IMG_DIGEST_BYTES]) _must_check_;

/*
 * The raw digest of FORMAT.md is a round over what this adds for each chunk that is not
 * zero, in order; chunk_digest is the SHA-256 of the chunk's expanded bytes.
 */
int img_hash_raw_chunk(struct img_hash *h, uint64_t ci,
		       const uint8_t chunk_digest[IMG_DIGEST_BYTES]) _must_check_;

/* img_hash_once without an img_hash at hand; allocates.  Errors: MEMORY INTERNAL. */
int img_sha256(const void *buf, size_t n_bytes,
	       uint8_t ret[IMG_DIGEST_BYTES]) _must_check_;

/* 0, or DIGEST when the bytes do not have the digest that is expected of them. */
int img_sha256_check(const void *buf, size_t n_bytes,
		     const uint8_t expected[IMG_DIGEST_BYTES]) _must_check_;

/* True when all n bytes are zero; true of no bytes. */
bool img_is_zero(const void *buf, size_t n_bytes);

#endif
