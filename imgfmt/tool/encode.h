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
 * Is there room for n_bytes (0: not known yet) in as many chunks as an image can have?
 * Prints, with the size that would do; returns an exit code.
 */
int encode_check_size(const char *name, uint64_t n_bytes,
		      uint32_t chunk_bytes) _must_check_;

/*
 * Reads the input to its end, padded with zeros to 4096 bytes; the frames go to the end
 * of scratch_fd, what the tables say of them to w.  Prints; returns an exit code.
 */
int encode_input(struct input *in, const struct encode_options *options, int scratch_fd,
		 struct img_writer *w,
		 uint8_t ret_raw_digest[IMG_DIGEST_BYTES]) _must_check_;

#endif
