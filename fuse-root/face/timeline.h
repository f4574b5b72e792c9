/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline.h - what was fetched when, and what waited, for `hydroot report`
 *
 * Time is cut into buckets of one length.  When TIMELINE_BUCKETS are full, each two neighbours
 * become one and the length doubles: the memory is the same for a boot of half a minute and for
 * a fill of hours, and the whole of it is always there.  A bucket holds sums, highest values and,
 * for TIMELINE_STRIPS equal parts of the image, how much of each was there at its end and in which
 * a read had to wait.
 *
 * No pointers: it lives in memory that the keeper shares with each serving process, so that a
 * second one goes on where the first was killed.  All functions but timeline_wanted belong to the
 * main thread of serve.
 */
#ifndef FACE_TIMELINE_H
#define FACE_TIMELINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "imgfmt/base.h"

#define TIMELINE_BUCKETS 480u /* even */
#define TIMELINE_STRIPS 64u
#define TIMELINE_FIRST_MS 125

/* What has been counted since the attach, as the parts of the daemon know it. */
struct timeline_counts {
	uint64_t demand_bytes, hot_bytes, ahead_bytes,
		fill_bytes; /* stored (compressed) bytes by class */
	uint64_t wire_bytes, n_requests;
	uint64_t n_waiting; /* reads that wait now */
	struct histogram waits; /* of reads that had to wait and were answered */
};

struct timeline_bucket {
	uint64_t demand_bytes, hot_bytes, ahead_bytes, fill_bytes, wire_bytes;
	uint64_t n_requests;
	uint64_t n_waited; /* reads that had waited and were answered in this bucket */
	uint64_t n_waiting_max; /* that waited at a time */
	double wait_ms_max; /* of those answered */
	uint64_t wanted; /* bit i: a read began to wait in strip i */
	uint32_t states; /* bit i: it was in state i (enum attach_state) */
	uint8_t resident[TIMELINE_STRIPS]; /* 0 to 255: all of the strip */
};

struct timeline {
	/* any thread */
	atomic_ullong wanted;
	atomic_ullong image_bytes; /* 0: not known yet */

	/* owned by the main thread */
	bool has_ended;
	int64_t start_ms; /* clock_ms of the first bucket's start */
	int64_t bucket_ms;
	int64_t end_ms; /* of what was recorded, since start_ms */
	uint32_t n; /* buckets begun; the last one is being filled */
	struct timeline_counts last;
	uint8_t resident[TIMELINE_STRIPS]; /* as it is now */
	struct timeline_bucket buckets[TIMELINE_BUCKETS];
};

/* In memory that every process forked from now on shares, zeroed.  NULL: there is none. */
struct timeline *timeline_new_shared(void);
/* Only this process' view of it. */
void timeline_free(struct timeline *t);

/* Begins at now_ms, unless it has begun: then counters start from zero again. */
void timeline_start(struct timeline *t, int64_t now_ms);
void timeline_set_image(struct timeline *t, uint64_t image_bytes);

/* A read of img_off begins to wait.  Any thread, never waits; t may be NULL. */
void timeline_wanted(struct timeline *t, uint64_t img_off);

/* How much of a strip is there: `have` of `all`. */
void timeline_set_resident(struct timeline *t, unsigned strip, uint64_t have,
			   uint64_t all);

/* Where we are now.  More often than once in bucket_ms is as good. */
void timeline_note(struct timeline *t, const struct timeline_counts *now, unsigned state,
		   int64_t now_ms);

/* Until the next call of timeline_note is due, at least 1; INT64_MAX after the end. */
int64_t timeline_due_ms(const struct timeline *t, int64_t now_ms);

/* Nothing more is noted. */
void timeline_end(struct timeline *t);

#endif
