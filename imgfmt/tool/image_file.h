/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_file.h - an image in a local file, opened and its tables checked
 */
#ifndef IMGFMT_IMAGE_FILE_H
#define IMGFMT_IMAGE_FILE_H

#include "imgfmt/imgfmt.h"

/* Whom to trust; NULL: not asked. */
struct image_trust {
	const uint8_t *digest;
	const char *public_key_path;
};

struct image_file {
	const char *path; /* the caller's */
	int fd;
	uint64_t file_bytes;
	struct img *img;
	char *meta; /* NUL-terminated */

	struct img_page *page; /* the last one that was looked at */
	bool has_page;

	struct img_decoder *decoder;
	uint8_t *stored; /* room for a frame */
};

/*
 * All print, and return an exit code: EXIT_REFUSED for what is wrong with the image,
 * EXIT_FAILED for what is wrong with reading it.
 */
int image_open(const char *path, const struct image_trust *trust,
	       struct image_file *ret) _must_check_;
void image_close(struct image_file *f);

int image_read(const struct image_file *f, uint64_t src_off, void *buf,
	       size_t n_bytes) _must_check_;

/* Open without asking for trust, do, close.  An image that is refused counts as EXIT_FAILED. */
int image_with(const char *path, int (*what)(struct image_file *f, void *arguments),
	       void *arguments) _must_check_;

/* What the index says of chunk ci, and its content, whose digest has been checked. */
int image_chunk(struct image_file *f, uint64_t ci, struct img_chunk *ret) _must_check_;
int image_chunk_read(struct image_file *f, const struct img_chunk *chunk,
		     void *dst) _must_check_;

/* "path: what, at offset N: why"; returns EXIT_REFUSED. */
int image_refuse(const struct image_file *f, const char *what, uint64_t src_off, int err);
int image_refuse_chunk(const struct image_file *f, const struct img_chunk *chunk,
		       const char *why);

#endif
