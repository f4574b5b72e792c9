/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_image.h - a whole image as the input, for the targets that read one
 *
 * The input is a file without bytes 512 … 4095, which follow from the rest or are zero.  The
 * targets share their seeds: the other folders are links to corpus/image.
 */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include "tests/fuzz/fuzz.h"

#define FUZZ_FILE_BYTES_MAX (1u << 20)

struct fuzz_file {
	uint8_t *p;
	uint64_t n;
};

/* The file with its HEAD sealed, whatever that says; free() its p.  False: too short or long. */
bool fuzz_file_from(const uint8_t *data, size_t n_bytes, struct fuzz_file *ret);

/* NULL when they are not all there. */
uint8_t *fuzz_at(const struct fuzz_file *f, uint64_t off, uint64_t n_bytes);

/*
 * Every digest made right from the bottom up, as far as HEAD holds and the tables lead to
 * bytes that are there.
 */
void fuzz_fix_digests(const struct fuzz_file *f);

#endif
