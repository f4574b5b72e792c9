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
	uint64_t min_version;
};

struct img_hash;
struct http_tls;

struct image_file {
	const char *path; /* the caller's */
	int fd; /* -1: it is at a URL */
	struct http_file *http; /* then */
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

/*
 * The same in two steps, for what only looks at the tables, where a path may also be an
 * http(s) URL: image_look opens it and reads nothing but its first bytes, image_load
 * checks the tables.
 */
int image_look(const char *path, const struct http_tls *tls,
	       struct image_file *ret) _must_check_;
/* The same, but a URL is refused. */
int image_look_local(const char *path, struct image_file *ret) _must_check_;
int image_load(struct image_file *f) _must_check_;

int image_read(const struct image_file *f, uint64_t src_off, void *buf,
	       size_t n_bytes) _must_check_;

/* The 8 bytes in front of a section's payload, which have one right content. */
int image_check_header(const struct image_file *f, const char *section, uint64_t off,
		       uint64_t payload_bytes) _must_check_;

/* Is the file as long as its head says? */
int image_check_length(const struct image_file *f, uint64_t wanted) _must_check_;

/* Open without asking for trust, do, close.  An image that is refused counts as EXIT_FAILED. */
int image_with(const char *path, int (*what)(struct image_file *f, void *arguments),
	       void *arguments) _must_check_;

/* What the index says of chunk ci, and its content, whose digest has been checked. */
int image_chunk(struct image_file *f, uint64_t ci, struct img_chunk *ret) _must_check_;
int image_chunk_read(struct image_file *f, const struct img_chunk *chunk,
		     void *dst) _must_check_;

/* The same for several threads: each brings its own reader, and nothing is printed. */
struct image_reader {
	struct img_decoder *decoder;
	struct img_hash *hash;
	uint8_t *stored; /* room for a frame, of a chunk or of a hot pack */
	uint8_t *raw; /* and for what it expands to */
};

/* What one takes at most, its decoder included: for ring_run. */
uint64_t image_reader_room(const struct image_file *f);

/* NULL without memory; NULL may be freed. */
struct image_reader *image_reader_new(const struct image_file *f);
void image_reader_free(struct image_reader *reader);

/* Error: IO with *ret_errno set, which is 0 when the file ends too early. */
int image_reader_bytes(int fd, uint64_t off, void *buf, size_t n_bytes,
		       int *ret_errno) _must_check_;

/*
 * Errors: those of img_chunk_decode, and IO with *ret_errno set, which is 0 when the file
 * ends too early.
 */
int image_reader_chunk(const struct image_file *f, struct image_reader *reader,
		       const struct img_chunk *chunk, void *dst,
		       int *ret_errno) _must_check_;

/* What such an error of chunk is called; returns the exit code. */
int image_fail_chunk(const struct image_file *f, const struct img_chunk *chunk, int err,
		     int error_number);

/*
 * "path: what, at offset N: why"; returns EXIT_REFUSED, or EXIT_FAILED for an error that says
 * nothing about the image: no memory, or libcrypto or zstd failed.
 */
int image_refuse(const struct image_file *f, const char *what, uint64_t src_off, int err);
/* What it is signed by, and what was wanted; of the image, or of the pack that f is. */
int image_refuse_key(const struct image_file *f, const struct img_pack *pack,
		     const char *key_path, const char *pem, size_t n_bytes, int err);
int image_refuse_chunk(const struct image_file *f, const struct img_chunk *chunk,
		       const char *why);

#endif
