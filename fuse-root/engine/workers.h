/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workers.h - threads that turn fetched bytes into stored chunks
 *
 * A job is one chunk's bytes in shared memory, or one frame of the hot pack.  The worker
 * copies them, because an unprivileged process may still change them, then verifies and
 * decompresses the copy, stores the blocks that were not written meanwhile, and hands the
 * waiting reads on.  Blocks that the hot pack brought before are compared with the
 * chunk's, which are the right ones.  Each job gives one result.
 */
#ifndef ENGINE_WORKERS_H
#define ENGINE_WORKERS_H

#include "engine/engine.h"

#define WORKERS_JOBS_MAX 1024u

struct worker_job {
	struct img_chunk chunk;
	const uint8_t *data; /* chunk.stored_bytes, until the result is taken */
	unsigned fetch; /* the caller's: which fetch this belongs to */
	unsigned server;
	/* A frame of the hot pack instead of a chunk, which is then not looked at; else NULL. */
	const struct img_hot *hot;
	uint32_t frame;
};

struct worker_result {
	bool is_hot;
	uint32_t frame; /* is_hot */
	uint64_t ci;
	unsigned fetch;
	unsigned server;
	uint64_t src_off;
	int img_err; /* the bytes were not good, or not looked at: enum img_err, else 0 */
	int store_err; /* the store failed: -errno, else 0 */
};

struct workers;

/* `wake` is called after a result was added.  -ENOMEM */
int workers_new(const struct engine_config *config, void (*wake)(void *ctx), void *ctx,
		struct workers **ret) _must_check_;
int workers_start(struct workers *w) _must_check_;
/* Jobs not begun are dropped. */
void workers_stop(struct workers *w);
void workers_free(struct workers *w);

/* Never full: the caller has at most WORKERS_JOBS_MAX jobs without a result. */
void workers_push(struct workers *w, const struct worker_job *job);
/* Have a worker call resume: the engine thread must not do a reader's work. */
void workers_resume(struct workers *w, struct chunk_waiter *list);
unsigned workers_results(struct workers *w, struct worker_result *ret, unsigned max);

#endif
