/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - what the fuzz targets share: the entry, bytes out of the input, a HEAD that
 * vouches for them
 *
 * A fuzzer cannot guess a SHA-256.  So each target makes the digests above the mutated
 * bytes right before they are decoded: what is refused then is refused for what it says.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "imgfmt/digest.h"
#include "imgfmt/imgfmt.h"
#include "imgfmt/internal.h"
#include "imgfmt/layout.h"
#include "imgfmt/ondisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* Our bug, whatever the input was. */
#define fuzz_assert(what)                                                                \
	do {                                                                             \
		if (!(what)) {                                                           \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,       \
				#what);                                                  \
			abort();                                                         \
		}                                                                        \
	} while (0)

/*
 * The input was not refused: said on standard error when FUZZ_SAY is in the environment, because a
 * seed that is refused at once leads the fuzzer nowhere.
 */
void fuzz_accept(void);

/* The input, taken from the front; zeros when it is used up. */
struct fuzz_input {
	const uint8_t *p;
	size_t n;
};

void fuzz_take(struct fuzz_input *in, void *ret, size_t n_bytes);
uint32_t fuzz_u32(struct fuzz_input *in);
uint64_t fuzz_u64(struct fuzz_input *in);

/* A copy of exactly this length, so that a read beyond it is noticed; free() it. */
void *fuzz_copy(const void *p, size_t n_bytes);

void fuzz_sha256(const void *p, size_t n_bytes, uint8_t ret[IMG_DIGEST_BYTES]);

/*
 * An image of these lengths (image_bytes, chunk_bytes, and those of the sections) and of
 * these digests: HEAD made, sealed and decoded.  NULL when HEAD is refused, which must be
 * for the lengths.
 */
struct img *fuzz_img(const struct img_info *lengths, const struct img_digests *digests);

/* The fields of *info into HEAD, and the seal. */
void fuzz_encode_head(const struct img_info *info, const struct img_digests *digests,
		      struct disk_head *ret);

#endif
