/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_text.h - the JSON of META, from the tree and from the user
 */
#ifndef IMGFMT_META_TEXT_H
#define IMGFMT_META_TEXT_H

#include "imgfmt/tool/tree.h"

struct meta_text_config {
	uint64_t version_number;
	const char *filesystem;
	const char *user_path; /* of --meta; or NULL */
	struct tree *tree; /* or NULL */
};

/* Prints; returns an exit code.  *ret is the caller's. */
int meta_text_make(const struct meta_text_config *config, char **ret,
		   size_t *ret_bytes) _must_check_;

#endif
