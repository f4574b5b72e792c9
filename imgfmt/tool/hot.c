/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.c - from a trace to a hot pack
 *
 * A boot jumps about in the image, and each block costs expanding its chunk.  So every chunk is
 * expanded once, in the image's order, its blocks go to their places in a scratch file that is in
 * the boot's order, and that file is then compressed from end to end.
 */
#include "imgfmt/tool/hot.h"

#include <errno.h>
#include <inttypes.h>

#include "imgfmt/tool/output.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/tool.h"

/* A run, and where its bytes are to go. */
struct place {
	const struct img_hot_run *run;
	uint64_t off;
};

struct making {
	const struct hot_chunks *chunks;
	const struct hot_options *options;
	struct img_hot_writer *w;
	uint64_t n_beyond; /* blocks behind the image's end */
	int raw_fd; /* the blocks in the boot's order */
	uint8_t *raw, *stored; /* a chunk or a frame */
	struct progress progress;
};

static int fail(const struct making *m, int err)
{
	return tool_fail(m->options->output_path, "hot pack: %s", img_strerror(err));
}

/*
 * The blocks of one run that are in the image, chunk by chunk; those of zero chunks cost
 * nothing anyway.
 */
static int add_run(struct making *m, struct trace_run run)
{
	uint64_t n_blocks = m->chunks->image_bytes / IMG_BLOCK_BYTES;
	uint64_t per_chunk = m->chunks->chunk_bytes / IMG_BLOCK_BYTES;
	uint64_t end = min_u64(run.first + run.n, n_blocks);

	m->n_beyond += run.first + run.n - max_u64(end, run.first);
	for (uint64_t b = run.first; b < end;) {
		uint64_t ci = b / per_chunk;
		uint64_t n = min_u64(end, (ci + 1) * per_chunk) - b;
		bool is_zero = false;
		int r = m->chunks->is_zero(m->chunks->ctx, ci, &is_zero);

		if (r != EXIT_DONE)
			return r;
		r = is_zero ? 0 : img_hot_writer_add(m->w, b, n);
		if (r == IMG_ERR_RANGE)
			return tool_fail(m->options->trace_path,
					 "names more than a hot pack can hold");
		if (r < 0)
			return fail(m, r);
		b += n;
	}
	return EXIT_DONE;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->run->ci > y->run->ci) - (x->run->ci < y->run->ci);
}

static struct place *sorted_places(const struct img_hot *hot)
{
	struct place *places = calloc(hot->n_runs, sizeof *places);
	uint64_t off = 0;

	for (uint32_t i = 0; places && i < hot->n_runs; i++) {
		places[i] = (struct place){&hot->runs[i], off};
		off += (uint64_t)hot->runs[i].n_blocks * IMG_BLOCK_BYTES;
	}
	if (places)
		qsort(places, hot->n_runs, sizeof *places, compare_places);
	return places;
}

static int gather_blocks(struct making *m, const struct img_hot *hot)
{
	cleanup_free struct place *places = sorted_places(hot);
	uint64_t done = 0;
	int r = EXIT_DONE;

	if (!places)
		return fail(m, IMG_ERR_MEMORY);
	for (uint32_t i = 0; r == EXIT_DONE && i < hot->n_runs; i++) {
		const struct img_hot_run *run = places[i].run;

		done += (uint64_t)run->n_blocks * IMG_BLOCK_BYTES;
		progress_show(&m->progress, done);
		if (i == 0 || run->ci != places[i - 1].run->ci)
			r = m->chunks->read(m->chunks->ctx, run->ci, m->raw);
		if (r == EXIT_DONE &&
		    pwrite_all(m->raw_fd,
			       m->raw + (size_t)run->first_block * IMG_BLOCK_BYTES,
			       (size_t)run->n_blocks * IMG_BLOCK_BYTES,
			       places[i].off) < 0)
			r = tool_fail_errno(m->options->output_path,
					    "cannot write a file beside it");
	}
	return r;
}

static int read_all(const struct making *m, void *buf, size_t n_bytes)
{
	char *p = buf;

	while (n_bytes > 0) {
		ssize_t n = read(m->raw_fd, p, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return tool_fail_errno(m->options->output_path,
					       "cannot read the scratch file");
		p += n;
		n_bytes -= (size_t)n;
	}
	return EXIT_DONE;
}

static int encode_frames(struct making *m, const struct img_hot *hot,
			 struct hot_pack *pack)
{
	uint64_t done = 0;

	if (lseek(m->raw_fd, 0, SEEK_SET) < 0)
		return tool_fail_errno(m->options->output_path,
				       "cannot read the scratch file");
	for (uint32_t i = 0; i < hot->n_frames; i++) {
		uint32_t n = 0;
		int r = read_all(m, m->raw, hot->frames[i].raw_bytes);

		if (r != EXIT_DONE)
			return r;
		r = img_hot_writer_encode(m->w, i, m->raw, m->stored,
					  img_stored_bytes_max(IMG_HOT_FRAME_RAW_MAX),
					  &n);
		if (r < 0)
			return fail(m, r);
		done += hot->frames[i].raw_bytes;
		progress_show(&m->progress, done);
		if (write_all(pack->fd, m->stored, n) < 0)
			return tool_fail_errno(m->options->output_path,
					       "cannot write a file beside it");
		pack->frames_bytes += n;
	}
	return EXIT_DONE;
}

static uint64_t raw_bytes(const struct img_hot *hot)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < hot->n_frames; i++)
		n += hot->frames[i].raw_bytes;
	return n;
}

static int make_frames(struct making *m, const struct img_hot *hot, struct hot_pack *pack)
{
	int r;

	m->raw = malloc(max_u64(m->chunks->chunk_bytes, IMG_HOT_FRAME_RAW_MAX));
	m->stored = malloc(img_stored_bytes_max(IMG_HOT_FRAME_RAW_MAX));
	if (!m->raw || !m->stored)
		return fail(m, IMG_ERR_MEMORY);
	m->raw_fd = output_scratch(m->options->output_path);
	pack->fd = output_scratch(m->options->output_path);
	if (m->raw_fd < 0 || pack->fd < 0)
		return tool_fail_errno(m->options->output_path,
				       "cannot create a file beside it");
	progress_start(&m->progress, "gather hot blocks", raw_bytes(hot));
	r = gather_blocks(m, hot);
	progress_stop(&m->progress);
	progress_start(&m->progress, "hot pack", raw_bytes(hot));
	if (r == EXIT_DONE)
		r = encode_frames(m, hot, pack);
	progress_stop(&m->progress);
	if (r != EXIT_DONE)
		return r;
	r = img_hot_writer_finish(m->w, m->options->raw_digest, &pack->table,
				  &pack->table_bytes, &pack->hot_bytes);
	if (r == IMG_ERR_RANGE)
		return tool_fail(m->options->trace_path,
				 "names more than a hot pack can hold");
	return r < 0 ? fail(m, r) : EXIT_DONE;
}

static int make(struct making *m, const struct trace *t, struct hot_pack *pack)
{
	const struct img_hot *hot = img_hot_writer_layout(m->w);
	int r = EXIT_DONE;

	for (size_t i = 0; r == EXIT_DONE && i < t->n_runs; i++)
		r = add_run(m, t->runs[i]);
	if (r != EXIT_DONE)
		return r;
	if (m->n_beyond > 0)
		tool_warn(m->options->trace_path,
			  "%" PRIu64 " blocks are not in this image and are left out",
			  m->n_beyond);
	if (hot->n_runs == 0) {
		tool_warn(m->options->trace_path,
			  "names no block of this image: no hot pack");
		return EXIT_DONE;
	}
	return make_frames(m, hot, pack);
}

int hot_make(const struct trace *t, const struct hot_chunks *chunks,
	     const struct hot_options *options, struct hot_pack *ret)
{
	struct making m = {.chunks = chunks, .options = options, .raw_fd = -1};
	struct hot_pack pack = {.fd = -1};
	int r = img_hot_writer_new(chunks->image_bytes, chunks->chunk_bytes,
				   options->level, &m.w);

	if (r < 0)
		return fail(&m, r);
	if (memcmp(t->raw_digest, options->raw_digest, IMG_DIGEST_BYTES) != 0)
		tool_warn(options->trace_path,
			  "is of an image with other content: its blocks may be other "
			  "files here; record it anew to be sure");
	r = make(&m, t, &pack);
	img_hot_writer_free(m.w);
	free(m.raw);
	free(m.stored);
	if (m.raw_fd >= 0)
		close(m.raw_fd);
	if (r != EXIT_DONE) {
		hot_free(&pack);
		return r;
	}
	*ret = pack;
	return EXIT_DONE;
}

void hot_free(struct hot_pack *p)
{
	free(p->table);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct hot_pack){.fd = -1};
}
