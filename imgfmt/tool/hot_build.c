/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_build.c - the hot pack of an image that is being built, or of one that is there
 */
#include "imgfmt/tool/hot_build.h"

#include <errno.h>
#include <inttypes.h>

#include "imgfmt/tool/tool.h"

/* -- an image whose frames lie in a scratch file ------------------------------------------ */

struct building {
	const char *output_path;
	const struct img_writer *w;
	int scratch_fd;
	struct img_decoder *decoder;
	uint8_t *stored;
};

static int chunk_of(const struct building *b, uint64_t ci, struct img_chunk *ret)
{
	int r = img_writer_chunk(b->w, ci, ret);

	return r < 0 ? tool_fail(b->output_path, "%s", img_strerror(r)) : EXIT_DONE;
}

static int building_is_zero(void *ctx, uint64_t ci, bool *ret)
{
	struct img_chunk chunk;
	int r = chunk_of(ctx, ci, &chunk);

	if (r == EXIT_DONE)
		*ret = chunk.is_zero;
	return r;
}

static int building_read(void *ctx, uint64_t ci, void *dst)
{
	const struct building *b = ctx;
	struct img_chunk chunk;
	int r = chunk_of(b, ci, &chunk);

	if (r != EXIT_DONE)
		return r;
	if (image_reader_bytes(b->scratch_fd, chunk.src_off, b->stored,
			       chunk.stored_bytes, &errno) < 0)
		return tool_fail_errno(b->output_path, "cannot read the scratch file");
	r = img_chunk_decode(b->decoder, &chunk, b->stored, chunk.stored_bytes, dst,
			     chunk.raw_bytes);
	return r < 0 ? tool_fail(b->output_path, "chunk %" PRIu64 ": %s", ci,
				 img_strerror(r))
		     : EXIT_DONE;
}

int hot_of_building(const struct trace *t, const struct img_writer *w, int scratch_fd,
		    uint32_t chunk_bytes, const struct hot_options *options,
		    struct hot_pack *ret)
{
	struct building b = {
		.output_path = options->output_path,
		.w = w,
		.scratch_fd = scratch_fd,
		.decoder = img_decoder_new(),
		.stored = malloc(img_stored_bytes_max(chunk_bytes)),
	};
	const struct hot_chunks chunks = {
		.image_bytes = img_writer_image_bytes(w),
		.chunk_bytes = chunk_bytes,
		.is_zero = building_is_zero,
		.read = building_read,
		.ctx = &b,
	};
	int r;

	if (b.decoder && b.stored)
		r = hot_make(t, &chunks, options, ret);
	else
		r = tool_fail(options->output_path, "out of memory");
	img_decoder_free(b.decoder);
	free(b.stored);
	return r;
}

/* -- an image that is there --------------------------------------------------------------- */

static int image_is_zero(void *ctx, uint64_t ci, bool *ret)
{
	struct img_chunk chunk;
	int r = image_chunk(ctx, ci, &chunk);

	if (r == EXIT_DONE)
		*ret = chunk.is_zero;
	return r;
}

static int image_read_chunk(void *ctx, uint64_t ci, void *dst)
{
	struct img_chunk chunk;
	int r = image_chunk(ctx, ci, &chunk);

	return r == EXIT_DONE ? image_chunk_read(ctx, &chunk, dst) : r;
}

int hot_of_image(const struct trace *t, struct image_file *f,
		 const struct hot_options *options, struct hot_pack *ret)
{
	const struct img_info *info = img_info(f->img);
	const struct hot_chunks chunks = {
		.image_bytes = info->image_bytes,
		.chunk_bytes = info->chunk_bytes,
		.is_zero = image_is_zero,
		.read = image_read_chunk,
		.ctx = f,
	};

	return hot_make(t, &chunks, options, ret);
}
