/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.c - is this the image that we were told to trust
 *
 * Key ids are hints: what counts is whether a signature verifies.
 */
#include "imgfmt/internal.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

int img_check_digest(const struct img *img, const uint8_t digest[IMG_DIGEST_BYTES])
{
	return memcmp(img->info.digest, digest, IMG_DIGEST_BYTES) == 0 ? 0
								       : IMG_ERR_DIGEST;
}

/* A public key is never encrypted; without this, libcrypto would ask at the terminal. */
static int no_passphrase(char *buf _unused_, int n _unused_, int rwflag _unused_,
			 void *u _unused_)
{
	return 0;
}

static int read_public_key(const char *pem, size_t n_bytes, EVP_PKEY **ret_key)
{
	EVP_PKEY *key;
	BIO *bio;

	if (n_bytes == 0 || n_bytes > INT_MAX)
		return IMG_ERR_KEY;
	bio = BIO_new_mem_buf(pem, (int)n_bytes);
	if (!bio)
		return IMG_ERR_MEMORY;
	key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return IMG_ERR_KEY;
	}
	*ret_key = key;
	return 0;
}

static int verify_slot(const struct img *img, const struct disk_slot *slot, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx;
	int r = IMG_ERR_SIGNATURE;

	if (le32_load(slot->algorithm) != DISK_SIG_ED25519)
		return IMG_ERR_SIGNATURE;
	ctx = EVP_MD_CTX_new();
	if (!ctx)
		return IMG_ERR_MEMORY;
	if (EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) != 1)
		r = IMG_ERR_INTERNAL;
	else if (EVP_DigestVerify(ctx, slot->signature, DISK_SIG_ED25519_BYTES,
				  img_signed_bytes(img), DISK_SIGNED_BYTES) == 1)
		r = 0;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int img_check_signature(const struct img *img, const char *pem, size_t n_bytes)
{
	EVP_PKEY *key = NULL;
	int r = read_public_key(pem, n_bytes, &key);

	if (r < 0)
		return r;
	r = img->info.n_signatures == 0 ? IMG_ERR_UNSIGNED : IMG_ERR_SIGNATURE;
	for (uint32_t i = 0; i < img->info.n_signatures && r == IMG_ERR_SIGNATURE; i++)
		r = verify_slot(img, &img->head.slots[i], key);
	EVP_PKEY_free(key);
	return r;
}
