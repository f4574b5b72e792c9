/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.h - the whole input through the compressor, in order, with several threads
 */
#ifndef IMGFMT_ENCODE_H
#define IMGFMT_ENCODE_H

#include "imgfmt/tool/input.h"
#include "imgfmt/writer.h"

#define ENCODE_JOBS_MAX 256u

struct encode_options {
	uint32_t chunk_bytes;
	int level;
	unsigned n_jobs;
};

/*
 * Reads the input to its end, padded with zeros to 4096 bytes; the frames go to the end
 * of scratch_fd, what the tables say of them to w.  Prints; returns an exit code.
 */
int encode_input(struct input *in, const struct encode_options *options, int scratch_fd,
		 struct img_writer *w,
		 uint8_t ret_raw_digest[IMG_DIGEST_BYTES]) _must_check_;

#endif
