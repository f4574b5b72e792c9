/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.c - chunks of the input through a ring of compressing threads
 *
 * The main thread reads chunks and writes frames; workers compress, and hash both sides.
 * A hole costs the workers nothing: nothing of it is read, compared, compressed or hashed.
 */
#include "imgfmt/tool/encode.h"

#include "imgfmt/digest.h"
#include "imgfmt/layout.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/ring.h"
#include "imgfmt/tool/tool.h"

#define FRAMES_BUF_BYTES (1u << 20)

_Static_assert(ENCODE_JOBS_MAX == RING_JOBS_MAX, "jobs");

struct slot {
	int error;
	uint8_t *raw;
	uint8_t *frame;
	uint32_t raw_bytes;
	struct img_chunk chunk;
	uint8_t raw_digest[IMG_DIGEST_BYTES]; /* of a chunk that is not zero */
};

struct worker {
	struct img_encoder *encoder;
	struct img_hash *hash;
};

struct encode {
	/* set before threads start */
	const struct encode_options *options;
	uint32_t frame_room;

	/* owned by the main thread */
	struct input *in;
	struct img_writer *writer;
	struct img_hash *hash; /* the raw digest */
	struct progress progress;
	bool end;
	uint64_t n_chunks;
	int scratch_fd;
	uint8_t *frames; /* gathered for one write */
	size_t frames_bytes;
	struct img_chunk zero_chunk; /* a whole one, and its frame */
	uint8_t zero_frame[IMG_ZERO_FRAME_BYTES_MAX];
};

static bool has_room(uint64_t n_bytes, uint32_t chunk_bytes)
{
	return n_bytes <= UINT64_MAX - IMG_BLOCK_BYTES &&
	       img_geometry_is_valid(div_round_up(n_bytes, IMG_BLOCK_BYTES) *
					     IMG_BLOCK_BYTES,
				     chunk_bytes);
}

static bool init_slot(void *arg, void *p)
{
	const struct encode *e = arg;
	struct slot *slot = p;

	slot->raw = malloc(e->options->chunk_bytes);
	slot->frame = malloc(e->frame_room);
	return slot->raw && slot->frame;
}

static void fini_slot(void *p)
{
	struct slot *slot = p;

	free(slot->raw);
	free(slot->frame);
}

static void free_worker(void *p)
{
	struct worker *worker = p;

	if (!worker)
		return;
	img_encoder_free(worker->encoder);
	img_hash_free(worker->hash);
	free(worker);
}

static void *new_worker(void *arg)
{
	const struct encode *e = arg;
	struct worker *worker = calloc(1, sizeof *worker);

	if (!worker)
		return NULL;
	worker->encoder = img_encoder_new(e->options->chunk_bytes, e->options->level);
	worker->hash = img_hash_new();
	if (!worker->encoder || !worker->hash) {
		free_worker(worker);
		return NULL;
	}
	return worker;
}

static void work(void *arg, void *p, void *q)
{
	const struct encode *e = arg;
	const struct worker *worker = p;
	struct slot *slot = q;

	slot->error = IMG_ERR_MEMORY;
	if (!worker)
		return;
	slot->error = img_chunk_encode(worker->encoder, slot->raw, slot->raw_bytes,
				       slot->frame, e->frame_room, &slot->chunk);
	if (slot->error == 0 && !slot->chunk.is_zero)
		slot->error = img_hash_once(worker->hash, slot->raw, slot->raw_bytes,
					    slot->raw_digest);
}

static int flush_frames(struct encode *e)
{
	if (write_all(e->scratch_fd, e->frames, e->frames_bytes) < 0)
		return tool_fail_errno("scratch file beside the output", "cannot write");
	e->frames_bytes = 0;
	return EXIT_DONE;
}

static int append_frame(struct encode *e, const void *frame, size_t n_bytes)
{
	if (e->frames_bytes + n_bytes > FRAMES_BUF_BYTES) {
		int r = flush_frames(e);

		if (r != EXIT_DONE)
			return r;
	}
	if (n_bytes > FRAMES_BUF_BYTES) {
		if (write_all(e->scratch_fd, frame, n_bytes) < 0)
			return tool_fail_errno("scratch file beside the output",
					       "cannot write");
		return EXIT_DONE;
	}
	memcpy(e->frames + e->frames_bytes, frame, n_bytes);
	e->frames_bytes += n_bytes;
	return EXIT_DONE;
}

/* n_bytes are too many: the message has the chunk size that is enough for them. */
static int fail_size(const char *name, uint64_t n_bytes, const char *verb,
		     uint32_t chunk_bytes)
{
	uint32_t enough = chunk_bytes;

	while (enough <= IMG_CHUNK_BYTES_MAX && !has_room(n_bytes, enough))
		enough *= 2;
	if (enough > IMG_CHUNK_BYTES_MAX)
		return tool_fail(name, "%s %s: no image can be so large", verb,
				 tool_human(n_bytes));
	return tool_fail(
		name, "%s %s, too much for chunks of %uK: give --chunk-size=%uK or more",
		verb, tool_human(n_bytes), chunk_bytes >> 10, enough >> 10);
}

static int add_chunk(struct encode *e, const struct slot *slot)
{
	int r = slot->error;

	if (r == 0)
		r = img_writer_add(e->writer, &slot->chunk);
	if (r == 0 && !slot->chunk.is_zero)
		r = img_hash_raw_chunk(e->hash, e->n_chunks, slot->raw_digest);
	e->n_chunks++;
	/* Of a stream it shows only now; how much more there is nobody knows. */
	if (r == IMG_ERR_RANGE)
		return fail_size(e->in->name, img_writer_image_bytes(e->writer) + 1,
				 "it is larger than", e->options->chunk_bytes);
	return r < 0 ? tool_fail(e->in->name, "%s", img_strerror(r)) : EXIT_DONE;
}

static int drain(void *arg, void *p)
{
	struct encode *e = arg;
	const struct slot *slot = p;
	uint8_t last[IMG_ZERO_FRAME_BYTES_MAX];
	const void *frame = slot->frame;
	int r = add_chunk(e, slot);

	if (r != EXIT_DONE)
		return r;
	if (slot->chunk.is_zero && slot->chunk.raw_bytes == e->zero_chunk.raw_bytes) {
		frame = e->zero_frame;
	} else if (slot->chunk.is_zero) {
		img_zero_frame(slot->chunk.raw_bytes, last);
		frame = last;
	}
	return append_frame(e, frame, slot->chunk.stored_bytes);
}

/* slot->raw_bytes gets what was read, padded; 0 at the end of the input. */
static int read_chunk(struct encode *e, struct slot *slot, bool *ret_hole)
{
	size_t n;
	int r = input_read(e->in, slot->raw, e->options->chunk_bytes, &n, ret_hole);

	if (r != EXIT_DONE)
		return r;
	slot->raw_bytes = (uint32_t)(div_round_up(n, IMG_BLOCK_BYTES) * IMG_BLOCK_BYTES);
	if (!*ret_hole)
		memset(slot->raw + n, 0, slot->raw_bytes - n);
	progress_show(&e->progress, e->in->pos);
	return EXIT_DONE;
}

static int fill(void *arg, void *p, enum ring_fill *ret)
{
	struct encode *e = arg;
	struct slot *slot = p;
	bool is_hole;
	int r;

	*ret = RING_END;
	if (e->end)
		return EXIT_DONE;
	r = read_chunk(e, slot, &is_hole);
	if (r != EXIT_DONE)
		return r;
	e->end = slot->raw_bytes < e->options->chunk_bytes;
	if (slot->raw_bytes == 0)
		return EXIT_DONE;
	*ret = is_hole ? RING_READY : RING_WORK;
	if (is_hole) {
		slot->error = 0;
		img_zero_chunk_encode(slot->raw_bytes, &slot->chunk);
	}
	return EXIT_DONE;
}

static const struct ring_ops ops = {
	.slot_bytes = sizeof(struct slot),
	.slot_init = init_slot,
	.slot_fini = fini_slot,
	.worker_new = new_worker,
	.worker_free = free_worker,
	.fill = fill,
	.drain = drain,
	.work = work,
};

/* Found out by one chunk of zeros: zstd says what it takes only when it has it. */
static bool measure_job(struct encode *e, uint64_t *ret_bytes)
{
	uint32_t chunk_bytes = e->options->chunk_bytes, n;
	struct worker *worker = new_worker(e);
	cleanup_free uint8_t *raw = calloc(1, chunk_bytes),
			     *frame = malloc(e->frame_room);
	uint8_t digest[IMG_DIGEST_BYTES];
	bool ok = worker && raw && frame &&
		  img_frame_encode(worker->encoder, raw, chunk_bytes, frame,
				   e->frame_room, &n, digest) == 0;

	if (ok)
		*ret_bytes = img_encoder_bytes(worker->encoder) +
			     2 * ((uint64_t)chunk_bytes + e->frame_room);
	free_worker(worker);
	return ok;
}

static int run(struct encode *e, uint8_t ret_raw_digest[IMG_DIGEST_BYTES])
{
	uint64_t job_bytes;
	int r;

	if (!e->frames || !e->hash || !measure_job(e, &job_bytes))
		return tool_fail("build", "out of memory");
	if (img_hash_begin(e->hash) < 0)
		return tool_fail(e->in->name, "%s", img_strerror(IMG_ERR_INTERNAL));
	progress_start(&e->progress, "build", e->in->n_bytes);
	r = ring_run(&ops, e->options->n_jobs, job_bytes, e);
	if (r == EXIT_DONE)
		r = flush_frames(e);
	progress_stop(&e->progress);
	if (r == EXIT_DONE && img_hash_end(e->hash, ret_raw_digest) < 0)
		r = tool_fail(e->in->name, "%s", img_strerror(IMG_ERR_INTERNAL));
	return r;
}

int encode_check_size(const char *name, uint64_t n_bytes, uint32_t chunk_bytes)
{
	return n_bytes == 0 || has_room(n_bytes, chunk_bytes)
		       ? EXIT_DONE
		       : fail_size(name, n_bytes, "it has", chunk_bytes);
}

int encode_input(struct input *in, const struct encode_options *options, int scratch_fd,
		 struct img_writer *w, uint8_t ret_raw_digest[IMG_DIGEST_BYTES])
{
	struct encode e = {
		.options = options,
		.frame_room = img_stored_bytes_max(options->chunk_bytes),
		.in = in,
		.writer = w,
		.scratch_fd = scratch_fd,
		.frames = malloc(FRAMES_BUF_BYTES),
		.hash = img_hash_new(),
	};
	int r;

	img_zero_chunk_encode(options->chunk_bytes, &e.zero_chunk);
	img_zero_frame(options->chunk_bytes, e.zero_frame);
	r = run(&e, ret_raw_digest);
	free(e.frames);
	img_hash_free(e.hash);
	return r;
}
