/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_build.h - the hot pack of an image that is being built, or of one that is there
 */
#ifndef IMGFMT_HOT_BUILD_H
#define IMGFMT_HOT_BUILD_H

#include "imgfmt/tool/hot.h"
#include "imgfmt/tool/image_file.h"
#include "imgfmt/writer.h"

/* All chunks have been added to w, their frames are in scratch_fd.  As hot_make. */
int hot_of_building(const struct trace *t, const struct img_writer *w, int scratch_fd,
		    uint32_t chunk_bytes, const struct hot_options *options,
		    struct hot_pack *ret) _must_check_;

int hot_of_image(const struct trace *t, struct image_file *f,
		 const struct hot_options *options, struct hot_pack *ret) _must_check_;

#endif
