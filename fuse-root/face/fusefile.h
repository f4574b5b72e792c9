/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fusefile.h - the image as one regular file of a FUSE filesystem that is mounted nowhere
 *
 * The mount is made with fsopen and fsmount and never attached to the tree: it is in no
 * /proc/mounts, no unit knows it, nothing has to unmount it.  The file is opened through the
 * mount's descriptor; when the last descriptor and the loop device let go of it, the kernel ends
 * the FUSE connection by itself and the threads return.  Needs Linux 5.2.
 */
#ifndef FACE_FUSEFILE_H
#define FACE_FUSEFILE_H

#include "base/hold.h"
#include "face/readpath.h"
#include "face/writepath.h"

struct fusefile;

struct fusefile_config {
	uint64_t n_bytes; /* of the file */
	bool read_only;
	unsigned n_threads; /* at most FUSEFILE_THREADS_MAX */
	struct chunkmap *cm;
	struct store *store;
	unsigned n_workers; /* other threads that call readpath_resume */
	struct trace *trace; /* notes every read; or NULL */
	struct timeline *timeline; /* notes what waits; or NULL */
	int64_t io_timeout_ms; /* these four as in struct readpath_config */
	int64_t deadline_ms;
	bool (*deadline_counts)(void *ctx);
	void (*noted)(void *ctx, uint64_t img_off, uint64_t n_bytes, bool missed);
	struct hold *hold; /* has the connection, or gets it; NULL: nobody outlives us */
	void *memory; /* fusefile_memory_bytes for requests under way, see face/underway.h */
	void (*ended)(void *ctx); /* the kernel has ended the connection; a FUSE thread */
	void *ctx;
};

#define FUSEFILE_THREADS_MAX 16u
/* Reads the kernel may have outstanding; the loop device's hw_queue_depth is the other limit. */
#define FUSEFILE_BACKGROUND_MAX 1024u

/* Bytes of config.memory, which is page-aligned; n_threads as in the config. */
size_t fusefile_memory_bytes(unsigned n_threads);

/* Memory only.  -errno */
int fusefile_new(const struct fusefile_config *config,
		 struct fusefile **ret) _must_check_;
/* Mount, start the threads, open the file: *ret_fd is the caller's.  -errno, logged. */
int fusefile_start(struct fusefile *f, int *ret_fd) _must_check_;
/*
 * Instead of start, after a process that died: take its connection from config.hold and
 * answer what it left in config.memory.  Whoever resumes reads must run already.  *ret_n:
 * how many there were.
 */
int fusefile_take_over(struct fusefile *f, unsigned *ret_n) _must_check_;
/* End the connection by force if the kernel has not; joins the threads. */
void fusefile_stop(struct fusefile *f);
void fusefile_free(struct fusefile *f);

/* For the engine: reads that may go on. */
void fusefile_resume(struct fusefile *f, struct chunk_waiter *list);
/* As readpath_expire. */
int64_t fusefile_expire(struct fusefile *f);
void fusefile_stats(struct fusefile *f, struct readpath_stats *ret);

#endif
