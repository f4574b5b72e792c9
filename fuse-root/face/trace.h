/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - which blocks of the image are read, in the order of their first access
 *
 * What `hydroot trace` prints and a hot pack is made from.  It ends at a mark, when the
 * boot is complete, or when it has no room for more.  Memory is bounded and taken only as
 * it is used: a bit for each block of the image where something was read, and a list of
 * runs.
 */
#ifndef FACE_TRACE_H
#define FACE_TRACE_H

#include "imgfmt/imgfmt.h"

/* A run each time the reader went elsewhere: several times what a desktop's boot does. */
#define TRACE_RUNS_MAX 131072u
/* No hot pack can hold more. */
#define TRACE_BLOCKS_MAX (1024ull * 1024 * 1024 / IMG_BLOCK_BYTES)

struct trace;

/* Records from now on.  -ENOMEM */
int trace_new(uint64_t image_bytes, struct trace **ret) _must_check_;
/*
 * The same in memory of the caller's: zeros, or a trace of that size whose process died:
 * it goes on.
 */
int trace_new_in(void *memory, uint64_t image_bytes, struct trace **ret) _must_check_;
size_t trace_memory_bytes(uint64_t image_bytes);
void trace_free(struct trace *t);

/*
 * A read of [img_off, +n_bytes), multiples of 4096 within the image.  Any thread, never
 * waits long.
 */
void trace_note(struct trace *t, uint64_t img_off, size_t n_bytes);

/* Why nothing is recorded any more.  Kept in memory of the caller's: numbers stay. */
enum trace_end {
	TRACE_GOES_ON = 0,
	TRACE_MARK = 1, /* the boot is complete, somebody said */
	TRACE_FULL = 2, /* no room: what was read later is missing */
	TRACE_HANDOVER = 3, /* the kernel has the device alone, reads are seen no more */
};

/* For the status; NULL: it goes on. */
const char *trace_end_name(enum trace_end end);

/* What is read from now on does not count.  May be called twice: the first reason stays. */
void trace_end(struct trace *t, enum trace_end why);

struct trace_counts {
	uint64_t n_runs, n_blocks;
	enum trace_end end;
};

void trace_counts(struct trace *t, struct trace_counts *ret);

/*
 * The text, in the form of FORMAT.md, into the file `trace` of dirfd, whole or not at
 * all.  -errno
 */
int trace_write(struct trace *t, const struct img_info *info, int dirfd) _must_check_;

#endif
