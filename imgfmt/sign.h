/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.h - making keys and signatures; for the tool, readers have no need to
 *
 * A head is the 4096 bytes of HEAD, or of a PACK HEAD, which has its signatures in the
 * same place.  Signing changes the slots and the checksum, never the signed range.
 */
#ifndef IMGFMT_SIGN_H
#define IMGFMT_SIGN_H

#include "imgfmt/imgfmt.h"

#define IMG_SIGNATURE_BYTES 64u
#define IMG_PEM_BYTES_MAX 512u

/* A new Ed25519 key in PEM: PKCS#8, and SubjectPublicKeyInfo.  Error: INTERNAL. */
int img_keypair_new(char ret_private[IMG_PEM_BYTES_MAX],
		    char ret_public[IMG_PEM_BYTES_MAX]) _must_check_;

/* 0 when img_head_sign would take it.  Errors: PRIVATE_KEY ENCRYPTED MEMORY. */
int img_check_private_key(const char *pem, size_t n_bytes) _must_check_;

/*
 * Sign with the private key.  A signature of the same key is replaced.  The head is
 * untouched on error.  Errors: PRIVATE_KEY ENCRYPTED SLOTS MEMORY INTERNAL.
 */
int img_head_sign(void *head, const char *pem, size_t n_bytes) _must_check_;

/*
 * Add a signature that was made elsewhere over the signed bytes.  With its public key
 * it is checked, and one of the same key is replaced; without (pem NULL) nobody can tell
 * whose it is, and the key id stays zero.  Errors: KEY SIGNATURE SLOTS MEMORY INTERNAL.
 */
int img_head_import(void *head, const uint8_t signature[IMG_SIGNATURE_BYTES],
		    const char *pem, size_t n_bytes) _must_check_;

/*
 * Add the signatures of another head with the same signed range, but for those of keys that
 * have one here already.  Both heads have been checked.  Errors: SLOTS INTERNAL.
 */
int img_head_merge(void *head, const void *other) _must_check_;

/* Is it the head of an image, or of a hot pack?  Errors: as img_new's or img_pack_new's. */
int img_head_check(const void *head, bool is_pack) _must_check_;

/*
 * A head whose checksum is wrong because it was written in part when a signature was added: what
 * the digest covers is whole, the rest is put in order and the checksum made anew.  Half a
 * signature is dropped.  The head is untouched on error.  Errors: as
 * img_new's or img_pack_new's, among them CHECKSUM where there was nothing to mend.
 */
int img_head_mend(void *head) _must_check_;

#endif
