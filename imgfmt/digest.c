/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.c - SHA-256 by libcrypto's EVP interface
 *
 * The algorithm is fetched once for each img_hash: fetching anew for each digest, which
 * is what EVP_sha256() amounts to, costs more than hashing a small frame.
 */
#include "imgfmt/digest.h"

#include <openssl/evp.h>

struct img_hash {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

struct img_hash *img_hash_new(void)
{
	struct img_hash *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->ctx = EVP_MD_CTX_new();
	/* The first begin allocates inside libcrypto; have that behind us. */
	if (!h->md || !h->ctx || img_hash_begin(h) < 0) {
		img_hash_free(h);
		return NULL;
	}
	return h;
}

void img_hash_free(struct img_hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
}

int img_hash_begin(struct img_hash *h)
{
	return EVP_DigestInit_ex2(h->ctx, h->md, NULL) == 1 ? 0 : IMG_ERR_INTERNAL;
}

int img_hash_update(struct img_hash *h, const void *buf, size_t n_bytes)
{
	return EVP_DigestUpdate(h->ctx, buf, n_bytes) == 1 ? 0 : IMG_ERR_INTERNAL;
}

int img_hash_end(struct img_hash *h, uint8_t ret[IMG_DIGEST_BYTES])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_DigestFinal_ex(h->ctx, digest, &n) != 1 || n != IMG_DIGEST_BYTES)
		return IMG_ERR_INTERNAL;
	memcpy(ret, digest, IMG_DIGEST_BYTES);
	return 0;
}

int img_hash_once(struct img_hash *h, const void *buf, size_t n_bytes,
		  uint8_t ret[IMG_DIGEST_BYTES])
{
	int r = img_hash_begin(h);

	if (r == 0)
		r = img_hash_update(h, buf, n_bytes);
	return r < 0 ? r : img_hash_end(h, ret);
}

int img_hash_raw_chunk(struct img_hash *h, uint64_t ci,
		       const uint8_t chunk_digest[IMG_DIGEST_BYTES])
{
	uint8_t number[8];
	int r;

	le64_store(number, ci);
	r = img_hash_update(h, number, sizeof number);
	return r < 0 ? r : img_hash_update(h, chunk_digest, IMG_DIGEST_BYTES);
}

int img_sha256(const void *buf, size_t n_bytes, uint8_t ret[IMG_DIGEST_BYTES])
{
	struct img_hash *h = img_hash_new();
	int r = h ? img_hash_once(h, buf, n_bytes, ret) : IMG_ERR_MEMORY;

	img_hash_free(h);
	return r;
}

int img_sha256_check(const void *buf, size_t n_bytes,
		     const uint8_t expected[IMG_DIGEST_BYTES])
{
	uint8_t digest[IMG_DIGEST_BYTES];
	int r = img_sha256(buf, n_bytes, digest);

	if (r < 0)
		return r;
	return memcmp(digest, expected, sizeof digest) == 0 ? 0 : IMG_ERR_DIGEST;
}

bool img_is_zero(const void *buf, size_t n_bytes)
{
	const uint8_t *b = buf;

	/* Equal to itself moved by one: all bytes are equal.  memcmp is the fastest
	 * loop there is. */
	return n_bytes == 0 || (b[0] == 0 && memcmp(b, b + 1, n_bytes - 1) == 0);
}

static void hex_text(const uint8_t *bytes, size_t n_bytes, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n_bytes; i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[2 * n_bytes] = '\0';
}

void img_digest_hex(const uint8_t digest[IMG_DIGEST_BYTES], char ret[IMG_HEX_BYTES])
{
	hex_text(digest, IMG_DIGEST_BYTES, ret);
}

void img_key_id_text(const uint8_t id[IMG_KEY_ID_BYTES], char ret[IMG_KEY_TEXT_BYTES])
{
	hex_text(id, IMG_KEY_ID_BYTES, ret);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool img_digest_parse(const char *text, uint8_t ret[IMG_DIGEST_BYTES])
{
	uint8_t digest[IMG_DIGEST_BYTES];

	if (strncmp(text, "sha256:", 7) == 0)
		text += 7;
	if (strlen(text) != 2 * IMG_DIGEST_BYTES)
		return false;
	for (size_t i = 0; i < IMG_DIGEST_BYTES; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, digest, sizeof digest);
	return true;
}
