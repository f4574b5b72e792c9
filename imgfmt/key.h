/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.h - Ed25519 keys out of PEM, and what reader and signer both do with them
 */
#ifndef IMGFMT_KEY_H
#define IMGFMT_KEY_H

#include <openssl/evp.h>

#include "imgfmt/imgfmt.h"
#include "imgfmt/ondisk.h"

/* Errors: KEY MEMORY. */
int img_key_public(const char *pem, size_t n_bytes, EVP_PKEY **ret_key) _must_check_;

/* Errors: PRIVATE_KEY ENCRYPTED MEMORY. */
int img_key_private(const char *pem, size_t n_bytes, EVP_PKEY **ret_key) _must_check_;

/* Error: INTERNAL. */
int img_key_id(EVP_PKEY *key, uint8_t ret[IMG_KEY_ID_BYTES]) _must_check_;

/*
 * Does the signature in the slot verify over the signed range?  Errors: SIGNATURE MEMORY
 * INTERNAL.
 */
int img_key_verify(EVP_PKEY *key, const struct disk_slot *slot,
		   const void *signed_range) _must_check_;

#endif
