/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.c - a ring of chunks between one thread that reads and writes and several that
 * compress
 *
 * The main thread goes round the ring: it writes out what the slot holds from the last
 * round, waiting for it if need be, and fills the slot with the next chunk.  So frames
 * leave in the order in which chunks came, whatever the number of workers, and memory is
 * that of the ring.
 *
 * Workers take FULL slots, oldest first, and make them DONE.  They end when `stop` is
 * set.
 */
#include "imgfmt/tool/encode.h"

#include <pthread.h>

#include "imgfmt/digest.h"
#include "imgfmt/tool/output.h"
#include "imgfmt/tool/progress.h"
#include "imgfmt/tool/tool.h"

#define FRAMES_BUF_BYTES (1u << 20)

enum slot_state {
	SLOT_EMPTY, /* the main thread's */
	SLOT_FULL, /* waits for a worker */
	SLOT_BUSY, /* a worker's */
	SLOT_DONE, /* the main thread's again */
};

struct slot {
	/* guarded by ring.lock */
	enum slot_state state;

	/* owned by whoever the state says */
	int error;
	uint8_t *raw;
	uint8_t *frame;
	uint32_t raw_bytes;
	struct img_chunk chunk;
};

struct ring {
	/* set before threads start */
	const struct encode_options *options;
	unsigned n_slots;
	uint32_t frame_room;

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t slot_filled, slot_done;
	unsigned next_filled; /* the slot that the main thread fills next */
	bool stop;
	struct slot *slots;

	/* owned by the main thread */
	pthread_t *threads;
	unsigned n_threads;
	struct input *in;
	struct img_writer *writer;
	struct img_hash *hash;
	struct progress progress;
	uint8_t *zeros;
	int scratch_fd;
	uint8_t *frames; /* gathered for one write */
	size_t frames_bytes;
};

static void check(int pthread_error)
{
	if (pthread_error != 0)
		abort(); /* our bug, never bad input */
}

/*
 * The lock is held.  Oldest first: the ring is searched from where the main thread
 * fills next.
 */
static struct slot *find_full_slot_locked(struct ring *ring)
{
	for (unsigned i = 0; i < ring->n_slots; i++) {
		struct slot *slot = &ring->slots[(ring->next_filled + i) % ring->n_slots];

		if (slot->state == SLOT_FULL)
			return slot;
	}
	return NULL;
}

/* NULL when it is time to end. */
static struct slot *take_full_slot(struct ring *ring)
{
	struct slot *slot = NULL;

	check(pthread_mutex_lock(&ring->lock));
	while (!ring->stop && !(slot = find_full_slot_locked(ring)))
		check(pthread_cond_wait(&ring->slot_filled, &ring->lock));
	if (slot)
		slot->state = SLOT_BUSY;
	check(pthread_mutex_unlock(&ring->lock));
	return slot;
}

static void set_state(struct ring *ring, struct slot *slot, enum slot_state state,
		      pthread_cond_t *event)
{
	check(pthread_mutex_lock(&ring->lock));
	slot->state = state;
	if (event == &ring->slot_filled)
		ring->next_filled = (unsigned)(slot - ring->slots + 1) % ring->n_slots;
	check(pthread_cond_broadcast(event));
	check(pthread_mutex_unlock(&ring->lock));
}

/* A worker.  Owns its encoder; woken by slot_filled; ends when `stop` is set. */
static void *work(void *arg)
{
	struct ring *ring = arg;
	struct img_encoder *e =
		img_encoder_new(ring->options->chunk_bytes, ring->options->level);
	struct slot *slot;

	while ((slot = take_full_slot(ring))) {
		slot->error = IMG_ERR_MEMORY;
		if (e)
			slot->error = img_chunk_encode(e, slot->raw, slot->raw_bytes,
						       slot->frame, ring->frame_room,
						       &slot->chunk);
		set_state(ring, slot, SLOT_DONE, &ring->slot_done);
	}
	img_encoder_free(e);
	return NULL;
}

static int start_threads(struct ring *ring)
{
	for (; ring->n_threads < ring->options->n_jobs; ring->n_threads++)
		if (pthread_create(&ring->threads[ring->n_threads], NULL, work, ring) !=
		    0)
			return tool_fail("build", "cannot start a thread");
	return EXIT_DONE;
}

static int ring_start(struct ring *ring)
{
	size_t chunk_bytes = ring->options->chunk_bytes;

	ring->n_slots = 2 * ring->options->n_jobs + 2;
	ring->frame_room = img_stored_bytes_max(ring->options->chunk_bytes);
	check(pthread_mutex_init(&ring->lock, NULL));
	check(pthread_cond_init(&ring->slot_filled, NULL));
	check(pthread_cond_init(&ring->slot_done, NULL));
	ring->slots = calloc(ring->n_slots, sizeof *ring->slots);
	ring->threads = calloc(ring->options->n_jobs, sizeof *ring->threads);
	ring->zeros = calloc(1, chunk_bytes);
	ring->frames = malloc(FRAMES_BUF_BYTES);
	ring->hash = img_hash_new();
	if (!ring->slots || !ring->threads || !ring->zeros || !ring->frames ||
	    !ring->hash)
		return tool_fail("build", "out of memory");
	for (unsigned i = 0; i < ring->n_slots; i++) {
		ring->slots[i].raw = malloc(chunk_bytes);
		ring->slots[i].frame = malloc(ring->frame_room);
		if (!ring->slots[i].raw || !ring->slots[i].frame)
			return tool_fail("build", "out of memory");
	}
	if (img_hash_begin(ring->hash) < 0)
		return tool_fail("build", "%s", img_strerror(IMG_ERR_INTERNAL));
	return start_threads(ring);
}

static void ring_stop(struct ring *ring)
{
	check(pthread_mutex_lock(&ring->lock));
	ring->stop = true;
	check(pthread_cond_broadcast(&ring->slot_filled));
	check(pthread_mutex_unlock(&ring->lock));
	for (unsigned i = 0; i < ring->n_threads; i++)
		check(pthread_join(ring->threads[i], NULL));
	for (unsigned i = 0; ring->slots && i < ring->n_slots; i++) {
		free(ring->slots[i].raw);
		free(ring->slots[i].frame);
	}
	free(ring->slots);
	free(ring->threads);
	free(ring->zeros);
	free(ring->frames);
	img_hash_free(ring->hash);
	check(pthread_cond_destroy(&ring->slot_done));
	check(pthread_cond_destroy(&ring->slot_filled));
	check(pthread_mutex_destroy(&ring->lock));
}

static int flush_frames(struct ring *ring)
{
	if (write_all(ring->scratch_fd, ring->frames, ring->frames_bytes) < 0)
		return tool_fail_errno("scratch file beside the output", "cannot write");
	ring->frames_bytes = 0;
	return EXIT_DONE;
}

static int append_frame(struct ring *ring, const void *frame, size_t n_bytes)
{
	if (ring->frames_bytes + n_bytes > FRAMES_BUF_BYTES) {
		int r = flush_frames(ring);

		if (r != EXIT_DONE)
			return r;
	}
	if (n_bytes > FRAMES_BUF_BYTES) {
		if (write_all(ring->scratch_fd, frame, n_bytes) < 0)
			return tool_fail_errno("scratch file beside the output",
					       "cannot write");
		return EXIT_DONE;
	}
	memcpy(ring->frames + ring->frames_bytes, frame, n_bytes);
	ring->frames_bytes += n_bytes;
	return EXIT_DONE;
}

static int write_slot(struct ring *ring, const struct slot *slot)
{
	uint8_t zero_frame[IMG_ZERO_FRAME_BYTES_MAX];
	const void *frame = slot->frame;
	int r = slot->error;

	if (r == 0)
		r = img_writer_add(ring->writer, &slot->chunk);
	if (r == IMG_ERR_RANGE)
		return tool_fail(ring->in->name,
				 "too large for chunks of %s; take larger ones "
				 "with --chunk-size",
				 tool_human(ring->options->chunk_bytes));
	if (r < 0)
		return tool_fail(ring->in->name, "%s", img_strerror(r));
	if (slot->chunk.is_zero) {
		img_zero_frame(slot->chunk.raw_bytes, zero_frame);
		frame = zero_frame;
	}
	return append_frame(ring, frame, slot->chunk.stored_bytes);
}

/* Wait until the slot's last chunk is compressed, write it, and make the slot empty. */
static int drain_slot(struct ring *ring, struct slot *slot)
{
	bool is_empty;

	check(pthread_mutex_lock(&ring->lock));
	while (slot->state == SLOT_FULL || slot->state == SLOT_BUSY)
		check(pthread_cond_wait(&ring->slot_done, &ring->lock));
	is_empty = slot->state == SLOT_EMPTY;
	slot->state = SLOT_EMPTY;
	check(pthread_mutex_unlock(&ring->lock));
	return is_empty ? EXIT_DONE : write_slot(ring, slot);
}

/* slot->raw_bytes gets what was read, padded; 0 at the end of the input. */
static int read_chunk(struct ring *ring, struct slot *slot, bool *ret_hole)
{
	size_t n;
	int r = input_read(ring->in, slot->raw, ring->options->chunk_bytes, &n, ret_hole);

	if (r != EXIT_DONE)
		return r;
	slot->raw_bytes = (uint32_t)(div_round_up(n, IMG_BLOCK_BYTES) * IMG_BLOCK_BYTES);
	if (!*ret_hole)
		memset(slot->raw + n, 0, slot->raw_bytes - n);
	if (img_hash_update(ring->hash, *ret_hole ? ring->zeros : slot->raw,
			    slot->raw_bytes) < 0)
		return tool_fail(ring->in->name, "%s", img_strerror(IMG_ERR_INTERNAL));
	return EXIT_DONE;
}

/* A hole is done at once: nothing of it is read, compared or compressed, only hashed. */
static int fill_slot(struct ring *ring, struct slot *slot, bool *ret_end)
{
	bool is_hole;
	int r = read_chunk(ring, slot, &is_hole);

	if (r != EXIT_DONE)
		return r;
	*ret_end = slot->raw_bytes < ring->options->chunk_bytes;
	if (slot->raw_bytes == 0)
		return EXIT_DONE;
	if (is_hole) {
		slot->error = 0;
		img_zero_chunk_encode(slot->raw_bytes, &slot->chunk);
	}
	set_state(ring, slot, is_hole ? SLOT_DONE : SLOT_FULL, &ring->slot_filled);
	return EXIT_DONE;
}

static int run_ring(struct ring *ring)
{
	unsigned at = 0;
	bool end = false;
	int r = EXIT_DONE;

	for (; r == EXIT_DONE && !end; at = (at + 1) % ring->n_slots) {
		r = drain_slot(ring, &ring->slots[at]);
		if (r == EXIT_DONE)
			r = fill_slot(ring, &ring->slots[at], &end);
		progress_show(&ring->progress, ring->in->pos);
	}
	for (unsigned i = 0; r == EXIT_DONE && i < ring->n_slots; i++)
		r = drain_slot(ring, &ring->slots[(at + i) % ring->n_slots]);
	return r == EXIT_DONE ? flush_frames(ring) : r;
}

int encode_input(struct input *in, const struct encode_options *options, int scratch_fd,
		 struct img_writer *w, uint8_t ret_raw_digest[IMG_DIGEST_BYTES])
{
	struct ring ring = {
		.options = options,
		.in = in,
		.writer = w,
		.scratch_fd = scratch_fd,
	};
	int r;

	progress_start(&ring.progress, "build", in->n_bytes);
	r = ring_start(&ring);
	if (r == EXIT_DONE)
		r = run_ring(&ring);
	progress_stop(&ring.progress);
	if (r == EXIT_DONE && img_hash_end(ring.hash, ret_raw_digest) < 0)
		r = tool_fail(in->name, "%s", img_strerror(IMG_ERR_INTERNAL));
	ring_stop(&ring);
	return r;
}
