/* SPDX-License-Identifier: Apache-2.0 */
/*
 * underway.h - the requests that the kernel has given us and that have no answer yet
 *
 * Kept in memory that outlives the process (base/region.h), so that the next one can
 * answer them; the kernel would wait for ever.  Two places:
 *
 *	a mailbox for each thread, into which the kernel itself writes: from the return of
 *	read(2) on /dev/fuse the request is there, whether or not another instruction of
 *	this process ever runs
 *
 *	a note for each read, because reads are answered in any order, by any thread, after
 *	the mailbox was used again
 *
 * The life of a request in a mailbox, and what the next process does with what it finds:
 *
 *	empty	len is 0			nothing
 *	there	the kernel has filled it	do it, answer it
 *	settled	done, with this result, maybe	only answer it: a write that is done again
 *		answered (underway_settle)	might undo one that was answered meanwhile
 *	empty	underway_empty, after the answer
 *
 * An answer to a request that has been answered is refused by the kernel with ENOENT, and
 * no number of a request is used twice: so answering twice is harmless, and so is reading
 * twice.
 */
#ifndef FACE_UNDERWAY_H
#define FACE_UNDERWAY_H

#include <linux/fuse.h>

#include "base/lock.h"

#define UNDERWAY_THREADS_MAX 16u
#define UNDERWAY_READS_MAX 4096u
/* What the kernel wants room for: headers and a page for the length that it adds to max_write. */
#define UNDERWAY_HEADER_BYTES 4096u

/* A read whose answer may come later.  In use when unique is not 0. */
struct read_note {
	uint64_t unique;
	uint64_t img_off;
	uint64_t n_bytes;
};

struct mailbox_state {
	uint64_t settled; /* unique of the last request that was settled */
	int64_t result;
};

#define UNDERWAY_INIT_BYTES_MAX 1024u

/* The page at the start of the memory. */
struct underway_header {
	struct mailbox_state mailboxes[UNDERWAY_THREADS_MAX];
	uint64_t init_bytes; /* written last; 0: not heard yet */
	uint64_t init[UNDERWAY_INIT_BYTES_MAX / 8];
};

struct underway {
	/* set before threads start */
	unsigned n_threads, n_reads;
	size_t mailbox_bytes;
	struct underway_header *header;
	struct read_note *notes;
	uint8_t *mailboxes;

	/* guarded by lock */
	struct lock lock;
	unsigned n_free;
	uint16_t free[UNDERWAY_READS_MAX]; /* of notes, a stack */
};

size_t underway_bytes(unsigned n_threads, unsigned n_reads, uint32_t write_bytes_max);

/*
 * On memory of zeros, or as another process left it; page-aligned, faulted in as a whole:
 * a page of a mailbox that is not there while the process is being killed would make the
 * kernel fail the request.
 */
void underway_init(struct underway *u, void *memory, unsigned n_threads, unsigned n_reads,
		   uint32_t write_bytes_max);
void underway_fini(struct underway *u);

/* The mailbox of a thread: header, then the body.  mailbox_bytes long. */
struct fuse_in_header *underway_mailbox(const struct underway *u, unsigned thread);
bool underway_is_empty(const struct underway *u, unsigned thread);
/* The request in it needs nothing more. */
void underway_empty(struct underway *u, unsigned thread);
/* What it asked for was done, and is not to be done again.  Before the answer. */
void underway_settle(struct underway *u, unsigned thread, int result);
bool underway_is_settled(const struct underway *u, unsigned thread, int *ret_result);

/*
 * INIT is heard once for each connection, not for each process: the request in the
 * mailbox is kept, and copied to `ret` in a later process.  Its length; 0: there was
 * none.
 */
void underway_keep_init(struct underway *u, unsigned thread);
size_t underway_init_request(const struct underway *u,
			     uint64_t ret[UNDERWAY_INIT_BYTES_MAX / 8]) _must_check_;

/*
 * Note a read; any thread.  NULL: no note is free, which takes more reads than the kernel may have
 * outstanding.  end: it was answered.
 */
struct read_note *underway_read_begin(struct underway *u, uint64_t unique,
				      uint64_t img_off, uint64_t n_bytes) _must_check_;
void underway_read_end(struct underway *u, struct read_note *note);

#endif
