/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writepath.c - see writepath.h
 */
#include "face/writepath.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "base/bufpool.h"
#include "base/clock.h"
#include "base/log.h"

/*
 * A discard is done in pieces: one that reached over gigabytes would hold the chunk map's lock
 * for long, and would wait for a moment in which no worker stores any chunk of it.
 */
#define DISCARD_PIECE_BYTES (16u * 1024 * 1024)
/* A store that is full refuses thousands of writes a second: one line tells enough. */
#define QUIET_MS 10000

struct writepath {
	struct chunkmap *cm;
	struct store *store;
	struct readpath *rp;
	struct bufpool *buffers;
	_Atomic int64_t quiet_until_ms; /* no line about a failure before */
};

int writepath_new(struct chunkmap *cm, struct store *store, struct readpath *rp,
		  unsigned n_threads, struct writepath **ret)
{
	struct writepath *wp = calloc(1, sizeof *wp);

	if (!wp)
		return -ENOMEM;
	*wp = (struct writepath){.cm = cm, .store = store, .rp = rp};
	wp->buffers = bufpool_new(n_threads, READ_BYTES_MAX);
	if (!wp->buffers) {
		free(wp);
		return -ENOMEM;
	}
	*ret = wp;
	return 0;
}

void writepath_free(struct writepath *wp)
{
	if (!wp)
		return;
	bufpool_free(wp->buffers);
	free(wp);
}

static void end_write(struct writepath *wp, struct chunk_writer *w, bool ok)
{
	struct chunk_waiter *list = chunkmap_write_end(wp->cm, w, ok);

	readpath_resume(wp->rp, list);
}

static void complain(struct writepath *wp, const char *what, uint64_t img_off,
		     uint64_t n_bytes, int err)
{
	int64_t now_ms = clock_ms();

	if (now_ms < atomic_load(&wp->quiet_until_ms))
		return;
	atomic_store(&wp->quiet_until_ms, now_ms + QUIET_MS);
	log_error("store: %s %" PRIu64 " bytes at %" PRIu64
		  ": %s: what else fails in the next %d s is not logged",
		  what, n_bytes, img_off, strerror(-err), QUIET_MS / 1000);
}

int writepath_write(struct writepath *wp, uint64_t img_off, const void *buf,
		    size_t n_bytes)
{
	struct chunk_writer w;
	struct store_io io;
	int err;

	if (img_off % 4096 || n_bytes == 0 || n_bytes % 4096 || n_bytes > READ_BYTES_MAX)
		return -EINVAL;
	io = (struct store_io){
		.slot_off = img_off,
		.buf = bufpool_get(wp->buffers),
		.n_bytes = (uint32_t)n_bytes,
	};
	memcpy(io.buf, buf, n_bytes);
	chunkmap_write_begin(wp->cm, &w, img_off, n_bytes);
	store_before_write(wp->store, img_off, n_bytes);
	err = store_write(wp->store, &io, 1);
	end_write(wp, &w, err == 0);
	bufpool_put(wp->buffers, io.buf);
	if (err < 0)
		complain(wp, "write", img_off, n_bytes, err);
	return err;
}

static int discard_piece(struct writepath *wp, uint64_t img_off, uint64_t n_bytes)
{
	struct chunk_writer w;
	int err;

	chunkmap_write_begin(wp->cm, &w, img_off, n_bytes);
	store_before_write(wp->store, img_off, n_bytes);
	err = store_discard(wp->store, img_off, n_bytes);
	end_write(wp, &w, err == 0);
	if (err < 0)
		complain(wp, "discard", img_off, n_bytes, err);
	return err;
}

int writepath_discard(struct writepath *wp, uint64_t img_off, uint64_t n_bytes)
{
	uint64_t end = img_off + n_bytes;
	int err = 0;

	if (img_off % 4096 || end < img_off || end % 4096)
		return -EINVAL;
	while (err == 0 && img_off < end) {
		uint64_t piece = DISCARD_PIECE_BYTES - img_off % DISCARD_PIECE_BYTES;

		piece = min_u64(piece, end - img_off);
		err = discard_piece(wp, img_off, piece);
		img_off += piece;
	}
	return err;
}
