/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.h - a trace of a boot, and the hot pack that is made from it
 */
#ifndef IMGFMT_HOT_H
#define IMGFMT_HOT_H

#include "imgfmt/hotpack.h"

struct trace_run {
	uint64_t first; /* block of the image */
	uint64_t n;
};

struct trace {
	uint8_t image_digest[IMG_DIGEST_BYTES]; /* of the image that was booted */
	uint8_t raw_digest[IMG_DIGEST_BYTES];
	size_t n_runs;
	struct trace_run *runs;
};

/*
 * FILE as `hydroot trace` prints it; FORMAT.md has its form, and anything else is refused
 * with the line. Prints; returns an exit code.  trace_parse: the text alone; *ret_line
 * and *ret_why say what is wrong.
 */
int trace_read(const char *path, struct trace *ret) _must_check_;
bool trace_parse(const char *text, size_t n_bytes, struct trace *ret, size_t *ret_line,
		 const char **ret_why) _must_check_;
void trace_free(struct trace *t);

/* Where the blocks come from. */
struct hot_chunks {
	uint64_t image_bytes;
	uint32_t chunk_bytes;
	/* Is chunk ci zero?  Its expanded bytes.  Both print, and return exit codes. */
	int (*is_zero)(void *ctx, uint64_t ci, bool *ret);
	int (*read)(void *ctx, uint64_t ci, void *dst);
	void *ctx;
};

struct hot_options {
	const char *trace_path; /* for messages */
	const char *output_path; /* scratch files are made beside it */
	int level;
	const uint8_t *raw_digest;
};

/* A hot pack: the table, then frames_bytes of fd. */
struct hot_pack {
	void *table;
	size_t table_bytes;
	uint64_t hot_bytes; /* table and frames */
	uint64_t frames_bytes;
	int fd;
};

/*
 * What the trace names that is in the image and not zero.  *ret with hot_bytes 0: that is
 * nothing, which is warned of.  Prints; returns an exit code.
 */
int hot_make(const struct trace *t, const struct hot_chunks *chunks,
	     const struct hot_options *options, struct hot_pack *ret) _must_check_;
void hot_free(struct hot_pack *p);

#endif
