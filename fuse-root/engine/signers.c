/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signers.c - see signers.h
 */
#include "engine/signers.h"

void signers_text(const char *pem, size_t pem_bytes,
		  const uint8_t (*ids)[IMG_KEY_ID_BYTES], uint32_t n_ids,
		  char ret[SIGNERS_TEXT_BYTES])
{
	char key[IMG_KEY_TEXT_BYTES] = "unknown";
	uint8_t id[IMG_KEY_ID_BYTES];
	size_t n;

	if (img_public_key_id(pem, pem_bytes, id) == 0)
		img_key_id_text(id, key);
	n = (size_t)snprintf(ret, SIGNERS_TEXT_BYTES, "key id %s", key);
	for (uint32_t i = 0; i < n_ids; i++) {
		img_key_id_text(ids[i], key);
		n += (size_t)snprintf(ret + n, SIGNERS_TEXT_BYTES - n, "%s %s",
				      i ? "," : "; signed by", key);
	}
}
