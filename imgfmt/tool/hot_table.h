/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_table.h - what is in front of a hot pack's frames, in an image or in a file of its own
 */
#ifndef IMGFMT_HOT_TABLE_H
#define IMGFMT_HOT_TABLE_H

#include "imgfmt/tool/image_file.h"

/* All print, and return an exit code. */

/* The table in the image, checked; the caller's to img_hot_free, NULL without a hot pack. */
int hot_table_of_image(const struct image_file *f, struct img_hot **ret) _must_check_;

struct hot_table_counts {
	uint32_t n_frames, n_runs;
	uint64_t raw_bytes;
};

/* Of the hot pack in the image; all 0 without one. */
int hot_table_count(const struct image_file *f,
		    struct hot_table_counts *ret) _must_check_;

/* Does what image_look opened begin as a hot pack?  Prints nothing. */
bool hot_table_is_pack(const struct image_file *f);

/* PACK HEAD of a side file that image_look opened, and the file's length, checked. */
int hot_table_pack(const struct image_file *f, struct img_pack **ret) _must_check_;

/* The table in it, held against img, which may be NULL (see img_pack_hot_new). */
int hot_table_of_pack(const struct image_file *f, const struct img_pack *pack,
		      const struct img *img, struct img_hot **ret) _must_check_;

uint64_t hot_table_raw_bytes(const struct img_hot *hot);

#endif
