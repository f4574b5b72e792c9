/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.c - making keys and signatures
 *
 * Whose a signature is, is found out by verifying it: the key ids in a head are hints.
 */
#include "imgfmt/sign.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "imgfmt/digest.h"
#include "imgfmt/internal.h"
#include "imgfmt/key.h"

/* What was written to a BIO, as text. */
static bool take_text(BIO *bio, char ret[IMG_PEM_BYTES_MAX])
{
	int n = BIO_read(bio, ret, IMG_PEM_BYTES_MAX - 1);

	ret[n > 0 ? n : 0] = '\0';
	return n > 0 && BIO_pending(bio) == 0;
}

int img_keypair_new(char ret_private[IMG_PEM_BYTES_MAX],
		    char ret_public[IMG_PEM_BYTES_MAX])
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_secmem());
	bool ok = key && bio;

	ok = ok && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	     take_text(bio, ret_private);
	ok = ok && PEM_write_bio_PUBKEY(bio, key) == 1 && take_text(bio, ret_public);
	BIO_free(bio);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok ? 0 : IMG_ERR_INTERNAL;
}

int img_check_private_key(const char *pem, size_t n_bytes)
{
	EVP_PKEY *key = NULL;
	int r = img_key_private(pem, n_bytes, &key);

	if (r == 0)
		EVP_PKEY_free(key);
	return r;
}

/* The slot of the same key, else the first free one; n_slots when there is none. */
static uint32_t find_slot(const struct disk_head *h, EVP_PKEY *key,
			  const struct disk_slot *slot)
{
	uint32_t n = le32_load(h->n_signatures);

	for (uint32_t i = 0; i < n; i++) {
		const struct disk_slot *s = &h->slots[i];

		if (memcmp(s->signature, slot->signature, sizeof s->signature) == 0 ||
		    (key && img_key_verify(key, s, h) == 0))
			return i;
	}
	return n;
}

static int put_slot(struct disk_head *head, EVP_PKEY *key, const struct disk_slot *slot)
{
	struct disk_head h = *head;
	uint32_t i = find_slot(&h, key, slot);
	int r;

	if (i >= IMG_SIGNATURES_MAX)
		return IMG_ERR_SLOTS;
	/* A signature that is there already may know better whose it is. */
	if (key || i == le32_load(h.n_signatures))
		h.slots[i] = *slot;
	if (i == le32_load(h.n_signatures))
		le32_store(h.n_signatures, i + 1);
	r = img_sha256(&h, offsetof(struct disk_head, checksum), h.checksum);
	if (r == 0)
		*head = h;
	return r;
}

static int make_signature(EVP_PKEY *key, const void *signed_range, struct disk_slot *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = DISK_SIG_ED25519_BYTES;
	bool ok;

	if (!ctx)
		return IMG_ERR_MEMORY;
	ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	     EVP_DigestSign(ctx, ret->signature, &n, signed_range, DISK_SIGNED_BYTES) ==
		     1 &&
	     n == DISK_SIG_ED25519_BYTES;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : IMG_ERR_INTERNAL;
}

int img_head_sign(void *head, const char *pem, size_t n_bytes)
{
	struct disk_slot slot = {0};
	EVP_PKEY *key = NULL;
	int r = img_key_private(pem, n_bytes, &key);

	if (r < 0)
		return r;
	le32_store(slot.algorithm, DISK_SIG_ED25519);
	r = img_key_id(key, slot.key_id);
	if (r == 0)
		r = make_signature(key, head, &slot);
	if (r == 0)
		r = put_slot(head, key, &slot);
	EVP_PKEY_free(key);
	return r;
}

int img_head_import(void *head, const uint8_t signature[IMG_SIGNATURE_BYTES],
		    const char *pem, size_t n_bytes)
{
	struct disk_slot slot = {0};
	EVP_PKEY *key = NULL;
	int r = pem ? img_key_public(pem, n_bytes, &key) : 0;

	if (r < 0)
		return r;
	le32_store(slot.algorithm, DISK_SIG_ED25519);
	memcpy(slot.signature, signature, IMG_SIGNATURE_BYTES);
	if (key)
		r = img_key_id(key, slot.key_id);
	if (r == 0 && key)
		r = img_key_verify(key, &slot, head);
	if (r == 0)
		r = put_slot(head, key, &slot);
	EVP_PKEY_free(key);
	return r;
}

/* By key id too: Ed25519 has one signature of a key, but other software may make others. */
static bool has_slot(const struct disk_head *h, const struct disk_slot *slot)
{
	for (uint32_t i = 0; i < le32_load(h->n_signatures); i++) {
		const struct disk_slot *s = &h->slots[i];

		if (memcmp(s->signature, slot->signature, sizeof s->signature) == 0 ||
		    (!img_is_zero(slot->key_id, sizeof slot->key_id) &&
		     memcmp(s->key_id, slot->key_id, sizeof s->key_id) == 0))
			return true;
	}
	return false;
}

int img_head_merge(void *head, const void *other)
{
	struct disk_head h, from;
	int r;

	memcpy(&h, head, sizeof h);
	memcpy(&from, other, sizeof from);
	for (uint32_t i = 0; i < le32_load(from.n_signatures); i++) {
		uint32_t n = le32_load(h.n_signatures);

		if (has_slot(&h, &from.slots[i]))
			continue;
		if (n == IMG_SIGNATURES_MAX)
			return IMG_ERR_SLOTS;
		h.slots[n] = from.slots[i];
		le32_store(h.n_signatures, n + 1);
	}
	r = img_sha256(&h, offsetof(struct disk_head, checksum), h.checksum);
	if (r == 0)
		memcpy(head, &h, sizeof h);
	return r;
}

/*
 * Sectors have 512 bytes at least.  The count and the first three slots lie in one of them,
 * the last slot in that and the next: so it alone can be half there, with or without the
 * count.
 */
static void mend_slots(struct disk_head *h)
{
	const size_t whole = 1024 - offsetof(struct disk_head, slots[3]);
	struct disk_slot *last = &h->slots[IMG_SIGNATURES_MAX - 1];
	const uint8_t *rest = (const uint8_t *)last + whole;
	bool is_used = le32_load(h->n_signatures) == IMG_SIGNATURES_MAX;

	if (is_used && !img_is_zero(rest, sizeof *last - whole))
		return;
	memset(last, 0, sizeof *last);
	if (is_used)
		le32_store(h->n_signatures, IMG_SIGNATURES_MAX - 1);
}

int img_head_check(const void *head, bool is_pack)
{
	struct img_pack *pack = NULL;
	struct img *img = NULL;
	int r = is_pack ? img_pack_new(head, IMG_PACK_HEAD_BYTES, &pack)
			: img_new(head, IMG_HEAD_BYTES, &img);

	img_pack_free(pack);
	img_free(img);
	return r;
}

int img_head_mend(void *head)
{
	struct disk_head h;
	int r;

	memcpy(&h, head, sizeof h);
	if (img_sha256_check(&h, offsetof(struct disk_head, checksum), h.checksum) !=
	    IMG_ERR_DIGEST)
		return IMG_ERR_CHECKSUM;
	memset(h.reserved_2, 0, sizeof h.reserved_2);
	memset(h.reserved_3, 0, sizeof h.reserved_3);
	mend_slots(&h);
	r = img_sha256(&h, offsetof(struct disk_head, checksum), h.checksum);
	if (r == 0)
		r = img_head_check(&h,
				   memcmp(h.magic, DISK_PACK_MAGIC, sizeof h.magic) == 0);
	if (r < 0)
		return r;
	memcpy(head, &h, sizeof h);
	return 0;
}
