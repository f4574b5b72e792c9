/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.c - Ed25519 keys out of PEM
 *
 * libcrypto's own messages are thrown away: a code of ours says what a person can mend.
 */
#include "imgfmt/key.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "imgfmt/digest.h"

#define PUBLIC_KEY_BYTES 32u

/* Without this, libcrypto would ask for a passphrase at the terminal. */
static int no_passphrase(char *buf _unused_, int n _unused_, int rwflag _unused_,
			 void *was_asked)
{
	*(bool *)was_asked = true;
	return -1;
}

/* `err` is what anything else than an Ed25519 key of this kind is called. */
static int read_pem(EVP_PKEY *(*read)(BIO *, EVP_PKEY **, pem_password_cb *, void *),
		    const char *pem, size_t n_bytes, int err, bool *ret_was_asked,
		    EVP_PKEY **ret_key)
{
	EVP_PKEY *key;
	BIO *bio;

	if (n_bytes == 0 || n_bytes > INT_MAX)
		return err;
	bio = BIO_new_mem_buf(pem, (int)n_bytes);
	if (!bio)
		return IMG_ERR_MEMORY;
	key = read(bio, NULL, no_passphrase, ret_was_asked);
	BIO_free(bio);
	ERR_clear_error();
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return err;
	}
	*ret_key = key;
	return 0;
}

int img_key_public(const char *pem, size_t n_bytes, EVP_PKEY **ret_key)
{
	bool was_asked = false;

	return read_pem(PEM_read_bio_PUBKEY, pem, n_bytes, IMG_ERR_KEY, &was_asked,
			ret_key);
}

int img_key_private(const char *pem, size_t n_bytes, EVP_PKEY **ret_key)
{
	bool was_asked = false;
	int r = read_pem(PEM_read_bio_PrivateKey, pem, n_bytes, IMG_ERR_PRIVATE_KEY,
			 &was_asked, ret_key);

	return r == IMG_ERR_PRIVATE_KEY && was_asked ? IMG_ERR_ENCRYPTED : r;
}

int img_key_id(EVP_PKEY *key, uint8_t ret[IMG_KEY_ID_BYTES])
{
	uint8_t raw[PUBLIC_KEY_BYTES], digest[IMG_DIGEST_BYTES];
	size_t n = sizeof raw;

	if (EVP_PKEY_get_raw_public_key(key, raw, &n) != 1 || n != sizeof raw)
		return IMG_ERR_INTERNAL;
	if (img_sha256(raw, sizeof raw, digest) < 0)
		return IMG_ERR_INTERNAL;
	memcpy(ret, digest, IMG_KEY_ID_BYTES);
	return 0;
}

int img_key_verify(EVP_PKEY *key, const struct disk_slot *slot, const void *signed_range)
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
				  signed_range, DISK_SIGNED_BYTES) == 1)
		r = 0;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}
