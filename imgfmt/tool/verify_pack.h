/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_pack.h - hot packs: a side file held against its image, and what one in an image holds
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

struct hot_pack_counts {
	uint32_t n_frames, n_runs;
	uint64_t raw_bytes;
};

/* Of the hot pack in the image; all 0 without one.  Prints; returns an exit code. */
int hot_pack_counts(struct image_file *f, struct hot_pack_counts *ret) _must_check_;

#endif
