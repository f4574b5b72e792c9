/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signers.h - which key was wanted, and whose signatures there are
 */
#ifndef ENGINE_SIGNERS_H
#define ENGINE_SIGNERS_H

#include "imgfmt/imgfmt.h"

#define SIGNERS_TEXT_BYTES                                                               \
	(sizeof "key id ; signed by" +                                                   \
	 (IMG_SIGNATURES_MAX + 1) * (2 * IMG_KEY_ID_BYTES + 2))

/* "key id HEX; signed by HEX, HEX"; n_ids of 0 .. IMG_SIGNATURES_MAX. */
void signers_text(const char *pem, size_t pem_bytes,
		  const uint8_t (*ids)[IMG_KEY_ID_BYTES], uint32_t n_ids,
		  char ret[SIGNERS_TEXT_BYTES]);

#endif
