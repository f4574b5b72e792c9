/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readpath.h - answers reads: at once from the store, or when the chunk has come
 *
 * The thread that takes a read from the kernel never waits for the network: a read that misses
 * is set aside, and a worker answers it later.  Nothing is allocated after readpath_new.
 */
#ifndef FACE_READPATH_H
#define FACE_READPATH_H

#include "base/histogram.h"
#include "face/timeline.h"
#include "face/trace.h"
#include "map/chunkmap.h"
#include "store/store.h"

#define READ_BYTES_MAX (1024u * 1024)

struct readpath_config {
	struct chunkmap *cm;
	struct store *store;
	unsigned n_waiting_max; /* reads set aside; one more makes its thread wait */
	unsigned n_threads; /* that call read or resume at a time */
	struct trace *trace; /* every good read is noted there first; NULL: not */
	struct timeline *timeline; /* what has to wait is noted there; NULL: not */
	int64_t io_timeout_ms; /* a read that waits longer fails with -EIO; 0: never */
	/*
	 * Once clock_ms has come so far, reads that wait and those that would have to
	 * fail with -EIO; 0: never. Not any more when deadline_counts has said no: it is
	 * asked from then on, by who calls readpath_expire.
	 */
	int64_t deadline_ms;
	bool (*deadline_counts)(void *ctx);
	/*
	 * Every good read: is something of it missing?  Any thread, no locks held.  NULL:
	 * nobody asks.
	 */
	void (*noted)(void *ctx, uint64_t img_off, uint64_t n_bytes, bool missed);
	void *ctx; /* for noted and deadline_counts */
	/* err 0: the n_bytes of buf are the answer; else -errno.  Any thread, no locks held. */
	void (*reply)(void *handle, int err, const void *buf, size_t n_bytes);
};

struct readpath_stats {
	uint64_t n_reads; /* all */
	uint64_t n_waited; /* reads that had to be set aside and were answered */
	/* Of these, how many waited for a chunk and not only for the hot pack. */
	uint64_t n_demanded;
	uint64_t n_timed_out; /* failed by io_timeout_ms or deadline_ms */
	double wait_ms_p50, wait_ms_p99;
	struct histogram waits;
};

struct readpath;

int readpath_new(const struct readpath_config *config,
		 struct readpath **ret) _must_check_;
/* No read may be set aside any more. */
void readpath_free(struct readpath *rp);

/* img_off and n_bytes: multiples of 4096, at most READ_BYTES_MAX.  Replies now or later. */
void readpath_read(struct readpath *rp, void *handle, uint64_t img_off, size_t n_bytes);
/* Reads that the chunk map has given back. */
void readpath_resume(struct readpath *rp, struct chunk_waiter *list);
/* Answer everything that is set aside, now or from now on, with an error: the end. */
void readpath_fail_all(struct readpath *rp, int err);

/*
 * Fail the reads that have waited for io_timeout_ms or beyond deadline_ms.  Returns after
 * how many ms to call it again at the latest, -1: not before another read is set aside,
 * which wakes the chunk map's owner.  Any thread.
 */
int64_t readpath_expire(struct readpath *rp);

void readpath_stats(struct readpath *rp, struct readpath_stats *ret);

#endif
