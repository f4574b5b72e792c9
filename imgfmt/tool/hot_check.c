/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot_check.c - are the blocks of a hot pack those of the image
 *
 * The runs of a pack jump between chunks, and a large pack does not fit into memory.  So
 * frames are expanded first, in their order, and only a digest of each run is kept; then the
 * chunks, in theirs, are held against the digests of their runs.
 */
#include "imgfmt/tool/hot_check.h"

#include <errno.h>
#include <inttypes.h>

#include "imgfmt/digest.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/ring.h"
#include "imgfmt/tool/tool.h"

/* set before threads start, but for next, which the main thread goes forward with */
struct check {
	struct image_file *f;
	const struct hot_place *place;
	const struct img_hot *hot;
	uint8_t (*digests)[IMG_DIGEST_BYTES]; /* of runs; each is written by one worker */
	uint32_t *by_chunk; /* runs in the order of the image */
	uint32_t next;
	struct progress progress;
	uint64_t done_bytes;
};

/* A frame, or the runs by_chunk[first] … of one chunk. */
struct piece {
	uint32_t first, n;
	struct img_chunk chunk;
	int error, error_number;
	const struct img_hot_run *bad; /* its blocks are others */
};

static const struct img_hot_run *run_at(const struct check *c, uint32_t i)
{
	return &c->hot->runs[c->by_chunk[i]];
}

static void *new_worker(void *arg)
{
	const struct check *c = arg;

	return image_reader_new(c->f);
}

static void free_worker(void *worker)
{
	image_reader_free(worker);
}

/* -- frames -------------------------------------------------------------------------------- */

static int fill_frame(void *arg, void *p, enum ring_fill *ret)
{
	struct check *c = arg;
	struct piece *piece = p;

	*ret = c->next < c->hot->n_frames ? RING_WORK : RING_END;
	if (*ret == RING_WORK) {
		progress_show(&c->progress, c->done_bytes);
		c->done_bytes += c->hot->frames[c->next].raw_bytes;
	}
	piece->first = c->next++;
	return EXIT_DONE;
}

static int hash_runs(const struct check *c, struct image_reader *reader,
		     const struct img_hot_frame *frame)
{
	const uint8_t *blocks = reader->raw;

	for (uint32_t i = frame->first_run; i < frame->first_run + frame->n_runs; i++) {
		size_t n = (size_t)c->hot->runs[i].n_blocks * IMG_BLOCK_BYTES;
		int r = img_hash_once(reader->hash, blocks, n, c->digests[i]);

		if (r < 0)
			return r;
		blocks += n;
	}
	return 0;
}

static void work_frame(void *arg, void *worker, void *p)
{
	const struct check *c = arg;
	struct image_reader *reader = worker;
	struct piece *piece = p;
	const struct img_hot_frame *frame = &c->hot->frames[piece->first];

	piece->error = IMG_ERR_MEMORY;
	if (!reader)
		return;
	piece->error = image_reader_bytes(
		c->place->fd, c->place->hot_off + frame->hot_off, reader->stored,
		frame->stored_bytes, &piece->error_number);
	if (piece->error == 0)
		piece->error =
			img_hot_frame_decode(reader->decoder, frame, reader->stored,
					     frame->stored_bytes, reader->raw);
	if (piece->error == 0)
		piece->error = hash_runs(c, reader, frame);
}

static int drain_frame(void *arg, void *p)
{
	const struct check *c = arg;
	const struct piece *piece = p;

	if (piece->error == 0)
		return EXIT_DONE;
	if (piece->error == IMG_ERR_IO && piece->error_number != 0) {
		errno = piece->error_number;
		return tool_fail_errno(c->place->path, "cannot read");
	}
	if (img_err_is_ours(piece->error))
		return tool_fail(c->place->path, "%s", img_strerror(piece->error));
	tool_fail(c->place->path, "hot pack frame at offset %" PRIu64 ": %s",
		  c->place->hot_off + c->hot->frames[piece->first].hot_off,
		  piece->error == IMG_ERR_IO ? "the file ends before its time"
					     : img_strerror(piece->error));
	return EXIT_REFUSED;
}

/* -- chunks -------------------------------------------------------------------------------- */

static int fill_chunk(void *arg, void *p, enum ring_fill *ret)
{
	struct check *c = arg;
	struct piece *piece = p;

	*ret = c->next < c->hot->n_runs ? RING_WORK : RING_END;
	if (*ret == RING_END)
		return EXIT_DONE;
	piece->first = c->next;
	piece->bad = NULL;
	while (c->next < c->hot->n_runs &&
	       run_at(c, c->next)->ci == run_at(c, piece->first)->ci)
		c->next++;
	piece->n = c->next - piece->first;
	progress_show(&c->progress, c->done_bytes);
	c->done_bytes += img_info(c->f->img)->chunk_bytes;
	return image_chunk(c->f, run_at(c, piece->first)->ci, &piece->chunk);
}

static int compare_run(const struct check *c, struct image_reader *reader, uint32_t i,
		       struct piece *piece)
{
	const struct img_hot_run *run = run_at(c, i);
	uint8_t digest[IMG_DIGEST_BYTES];
	int r = img_hash_once(reader->hash,
			      reader->raw + (size_t)run->first_block * IMG_BLOCK_BYTES,
			      (size_t)run->n_blocks * IMG_BLOCK_BYTES, digest);

	if (r == 0 && memcmp(digest, c->digests[c->by_chunk[i]], sizeof digest) != 0)
		piece->bad = run;
	return r;
}

static void work_chunk(void *arg, void *worker, void *p)
{
	const struct check *c = arg;
	struct image_reader *reader = worker;
	struct piece *piece = p;

	piece->error = IMG_ERR_MEMORY;
	if (!reader)
		return;
	piece->error = image_reader_chunk(c->f, reader, &piece->chunk, reader->raw,
					  &piece->error_number);
	for (uint32_t i = 0; piece->error == 0 && !piece->bad && i < piece->n; i++)
		piece->error = compare_run(c, reader, piece->first + i, piece);
}

static const struct img_hot_frame *frame_of(const struct img_hot *hot,
					    const struct img_hot_run *run)
{
	uint32_t k = (uint32_t)(run - hot->runs), i = 0;

	while (hot->frames[i].first_run + hot->frames[i].n_runs <= k)
		i++;
	return &hot->frames[i];
}

static int drain_chunk(void *arg, void *p)
{
	const struct check *c = arg;
	const struct piece *piece = p;
	const struct img_hot_run *bad = piece->bad;

	if (piece->error < 0)
		return image_fail_chunk(c->f, &piece->chunk, piece->error,
					piece->error_number);
	if (!bad)
		return EXIT_DONE;
	tool_fail(c->place->path,
		  "hot pack frame at offset %" PRIu64
		  ": blocks %u to %u of chunk %" PRIu64 " are not those of the image",
		  c->place->hot_off + frame_of(c->hot, bad)->hot_off, bad->first_block,
		  bad->first_block + bad->n_blocks - 1, bad->ci);
	return EXIT_REFUSED;
}

/* -- both ---------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b, void *arg)
{
	const struct img_hot_run *runs = arg;
	const struct img_hot_run *x = &runs[*(const uint32_t *)a],
				 *y = &runs[*(const uint32_t *)b];

	if (x->ci != y->ci)
		return x->ci < y->ci ? -1 : 1;
	return (x->first_block > y->first_block) - (x->first_block < y->first_block);
}

static const struct ring_ops hot_frame_ops = {
	.slot_bytes = sizeof(struct piece),
	.worker_new = new_worker,
	.worker_free = free_worker,
	.fill = fill_frame,
	.drain = drain_frame,
	.work = work_frame,
};

static const struct ring_ops hot_chunk_ops = {
	.slot_bytes = sizeof(struct piece),
	.worker_new = new_worker,
	.worker_free = free_worker,
	.fill = fill_chunk,
	.drain = drain_chunk,
	.work = work_chunk,
};

static int run(struct check *c, const struct ring_ops *ops, const char *what,
	       unsigned n_jobs)
{
	int r;

	c->next = 0;
	c->done_bytes = 0;
	progress_start(&c->progress, what, 0);
	r = ring_run(ops, n_jobs, image_reader_room(c->f), c);
	progress_stop(&c->progress);
	return r;
}

int hot_check(struct image_file *f, const struct hot_place *place,
	      const struct img_hot *hot, unsigned n_jobs)
{
	cleanup_free uint32_t *by_chunk = calloc(hot->n_runs, sizeof *by_chunk);
	cleanup_free void *digests = calloc(hot->n_runs, IMG_DIGEST_BYTES);
	struct check c = {.f = f,
			  .place = place,
			  .hot = hot,
			  .digests = digests,
			  .by_chunk = by_chunk};
	int r;

	if (!by_chunk || !digests)
		return tool_fail(place->path, "out of memory");
	r = run(&c, &hot_frame_ops, "verify hot pack", n_jobs);
	if (r != EXIT_DONE)
		return r;
	for (uint32_t i = 0; i < hot->n_runs; i++)
		by_chunk[i] = i;
	qsort_r(by_chunk, hot->n_runs, sizeof *by_chunk, by_place, hot->runs);
	return run(&c, &hot_chunk_ops, "verify hot pack's chunks", n_jobs);
}
