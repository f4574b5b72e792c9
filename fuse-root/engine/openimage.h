/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openimage.h - from a source to an image whose HEAD, META and page table are trusted
 */
#ifndef ENGINE_OPENIMAGE_H
#define ENGINE_OPENIMAGE_H

#include "base/options.h"
#include "base/region.h"
#include "imgfmt/imgfmt.h"
#include "source/source.h"

struct openimage {
	struct img *img;
	uint8_t *first; /* the file's start, for the index pages in it */
	size_t n_first;
};

/* What the image is checked against before anything of it is used. */
struct openimage_trust {
	bool has_digest;
	uint8_t digest[IMG_DIGEST_BYTES];
	const char *public_key; /* PEM, or NULL */
	size_t public_key_bytes;
	uint64_t min_version;
	/* The release whose modules it must list, if it lists any; or NULL. */
	const char *kernel;
};

struct openimage_config {
	struct source *source;
	unsigned n_servers;
	struct openimage_trust trust;
	struct region *region; /* gets a copy of what openimage_again needs; NULL: none */
	int64_t deadline_ms; /* clock_ms */
	bool (*idle)(void *ctx); /* called every 200 ms or so; false: give up */
	void *ctx;
};

/*
 * Runs before the engine thread, in its place.  Tries every server until the deadline.
 * -ETIMEDOUT: none answered with an image; -EKEYREJECTED: every server's image was refused;
 * -ENOMEM, -EIO: no server's fault; -ECANCELED: idle said so.  The reason is in `why`.  On
 * success the caller owns ret: openimage_close.
 */
int openimage_open(const struct openimage_config *config, struct openimage *ret,
		   char *why, size_t why_bytes) _must_check_;
void openimage_close(struct openimage *o);

/*
 * The image that another process has opened, out of the region, checked once more as if
 * it came from a server.  -ENOENT: there is none; -EKEYREJECTED: with the reason in
 * `why`.
 */
int openimage_again(struct region *region, const struct openimage_trust *trust,
		    struct openimage *ret, char *why, size_t why_bytes) _must_check_;

#endif
