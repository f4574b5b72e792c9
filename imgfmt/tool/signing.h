/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signing.h - a private key in a file, and what is signed with it
 */
#ifndef IMGFMT_SIGNING_H
#define IMGFMT_SIGNING_H

#include "imgfmt/base.h"

/* Larger than any PEM file with one key. */
#define SIGNING_PEM_BYTES_MAX 65536u

struct signing_key {
	const char *path; /* the caller's */
	char *pem;
	size_t n_bytes;
};

/*
 * Both print, and return an exit code.  signing_load refuses what cannot sign, so that it
 * is known before hours of work.
 */
int signing_load(const char *path, struct signing_key *ret) _must_check_;
int signing_sign_head(const struct signing_key *key, const char *image_path,
		      void *head) _must_check_;

/* Wipes it; legal on an empty one. */
void signing_free(struct signing_key *key);

#endif
