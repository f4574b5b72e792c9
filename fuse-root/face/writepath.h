/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writepath.h - writes, discards and zeroing: into the store at once, chunk present or not
 *
 * A write never waits for the network.  It may wait for a worker that stores the same chunk,
 * some milliseconds.  A write of a whole missing chunk makes it READY without a fetch.
 */
#ifndef FACE_WRITEPATH_H
#define FACE_WRITEPATH_H

#include "face/readpath.h"
#include "map/chunkmap.h"
#include "store/store.h"

struct writepath;

/* n_threads that may write at a time.  rp: to answer reads of what was written.  -ENOMEM */
int writepath_new(struct chunkmap *cm, struct store *store, struct readpath *rp,
		  unsigned n_threads, struct writepath **ret) _must_check_;
void writepath_free(struct writepath *wp);

/* Multiples of 4096, at most READ_BYTES_MAX; buf need not be aligned.  0 or -errno */
int writepath_write(struct writepath *wp, uint64_t img_off, const void *buf,
		    size_t n_bytes) _must_check_;
/* Multiples of 4096.  The range reads as zeros afterwards, its memory is given back. */
int writepath_discard(struct writepath *wp, uint64_t img_off,
		      uint64_t n_bytes) _must_check_;

#endif
