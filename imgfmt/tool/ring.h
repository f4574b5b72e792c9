/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - work on many pieces by several threads, with what goes in and comes out in
 * order
 *
 * The calling thread fills slots and drains them in the same order; in between, workers
 * do the work.  So results do not depend on the number of workers, and memory is that of
 * the slots and the workers, which has a limit.
 */
#ifndef IMGFMT_RING_H
#define IMGFMT_RING_H

#include "imgfmt/base.h"

#define RING_JOBS_MAX 256u
/* Of all jobs; a machine with 128 CPUs may have little memory to spare for each. */
#define RING_BYTES_MAX (160ull << 20)

enum ring_fill {
	RING_WORK, /* the slot is for a worker */
	RING_READY, /* the slot needs no work */
	RING_END, /* the slot was not filled, and no more will be */
};

struct ring_ops {
	size_t slot_bytes;

	/*
	 * For room that a slot needs beside itself, else NULL.  Slots start zeroed; false
	 * is no memory; fini is called for every slot, also for one without init.
	 */
	bool (*slot_init)(void *arg, void *slot);
	void (*slot_fini)(void *slot);

	/* What a worker owns; NULL without memory.  In the worker's thread. */
	void *(*worker_new)(void *arg);
	void (*worker_free)(void *worker);

	/* In the calling thread; they print, and return an exit code. */
	int (*fill)(void *arg, void *slot, enum ring_fill *ret);
	int (*drain)(void *arg, void *slot);

	/* In a worker; its outcome goes into the slot.  `worker` may be NULL. */
	void (*work)(void *arg, void *worker, void *slot);
};

/*
 * Ends with the first fill or drain that fails.  job_bytes is what one job takes, with its
 * two slots: as many of the n_jobs run as fit into RING_BYTES_MAX, one at least.  Prints;
 * returns an exit code.
 */
int ring_run(const struct ring_ops *ops, unsigned n_jobs, uint64_t job_bytes,
	     void *arg) _must_check_;

/* One job for each CPU that is online. */
unsigned ring_default_jobs(void);

/* The value of --jobs.  Prints; returns an exit code. */
int ring_parse_jobs(const char *command, const char *text, unsigned *ret) _must_check_;

#endif
