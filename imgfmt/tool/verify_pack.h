/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_pack.h - a hot pack in a file of its own, held against its image
 */
#ifndef IMGFMT_VERIFY_PACK_H
#define IMGFMT_VERIFY_PACK_H

#include "imgfmt/tool/image_file.h"

/*
 * Head, signature (key_path NULL: not asked), table, frames and blocks.  Prints; returns
 * an exit code.
 */
int verify_pack(struct image_file *f, const char *pack_path, const char *key_path,
		unsigned n_jobs) _must_check_;

#endif
