/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_check.h - are the blocks of a hot pack those of the image
 */
#ifndef IMGFMT_HOT_CHECK_H
#define IMGFMT_HOT_CHECK_H

#include "imgfmt/tool/image_file.h"

/* Where the pack's payload lies: in the image, or in a side file. */
struct hot_place {
	const char *path; /* for messages */
	int fd;
	uint64_t hot_off;
};

/*
 * Every frame by its digest, then every block against the chunk that it copies.  A chunk is
 * decompressed once, whatever the order of the runs.  Memory: 40 bytes for each run.  Prints the
 * first fault, the same for any n_jobs; returns an exit code.
 */
int hot_check(struct image_file *f, const struct hot_place *place,
	      const struct img_hot *hot, unsigned n_jobs) _must_check_;

#endif
