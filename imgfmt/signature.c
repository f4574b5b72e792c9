/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.c - is this the image that we were told to trust
 *
 * Key ids are hints: what counts is whether a signature verifies.
 */
#include "imgfmt/internal.h"
#include "imgfmt/key.h"

int img_check_digest(const struct img *img, const uint8_t digest[IMG_DIGEST_BYTES])
{
	return memcmp(img->info.digest, digest, IMG_DIGEST_BYTES) == 0 ? 0
								       : IMG_ERR_DIGEST;
}

bool img_signature_key_id(const struct img *img, uint32_t i,
			  uint8_t ret[IMG_KEY_ID_BYTES])
{
	if (i >= img->info.n_signatures)
		return false;
	memcpy(ret, img->head.slots[i].key_id, IMG_KEY_ID_BYTES);
	return true;
}

int img_public_key_id(const char *pem, size_t n_bytes, uint8_t ret[IMG_KEY_ID_BYTES])
{
	EVP_PKEY *key = NULL;
	int r = img_key_public(pem, n_bytes, &key);

	if (r < 0)
		return r;
	r = img_key_id(key, ret);
	EVP_PKEY_free(key);
	return r;
}

int img_check_signature(const struct img *img, const char *pem, size_t n_bytes)
{
	EVP_PKEY *key = NULL;
	int r = img_key_public(pem, n_bytes, &key);

	if (r < 0)
		return r;
	r = img->info.n_signatures == 0 ? IMG_ERR_UNSIGNED : IMG_ERR_SIGNATURE;
	for (uint32_t i = 0; i < img->info.n_signatures && r == IMG_ERR_SIGNATURE; i++)
		r = img_key_verify(key, &img->head.slots[i], img_signed_bytes(img));
	EVP_PKEY_free(key);
	return r;
}
