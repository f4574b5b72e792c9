/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - the parts of one attachment in the serving process; for serve*.c only
 */
#ifndef SERVE_H
#define SERVE_H

#include <stdatomic.h>

#include "daemon.h"
#include "engine/engine.h"
#include "engine/openimage.h"
#include "face/control.h"
#include "face/fusefile.h"
#include "face/handover.h"
#include "face/status.h"
#include "face/timeline.h"

struct serve {
	/* set before threads start */
	struct daemon *d;
	const struct options *o; /* serve_set changes some; the main thread's alone */
	int event_fd; /* wakes the main thread */
	struct source *source;
	struct openimage image;
	struct store *store;
	struct chunkmap *cm;
	struct trace *trace; /* what is read, for `hydroot trace` */
	struct fusefile *file;
	struct engine *engine;

	/* told by other threads */
	atomic_bool is_complete; /* every chunk is READY */
	atomic_bool fuse_ended;

	/* owned by the main thread */
	struct control *control;
	struct attachment attachment;
	enum attach_state state;
	bool is_attached, is_paused, is_leaving, handover_failed;
	enum handover_method handover_method;
	bool handover_done;
	char error[256];
	double seconds_ready, seconds_resident;
	struct { /* for eta and progress lines */
		int64_t last_ms;
		uint64_t last_bytes;
		double bytes_per_second;
		unsigned tenths_said;
		int64_t said_away_ms;
		int64_t written_ms;
		enum attach_state written_state;
		int64_t said_progress_ms;
	} tick;
	struct { /* which part of the chunk map the timeline looks at next */
		unsigned strip;
		uint64_t n_ready; /* when the look began at the first strip */
		bool is_whole; /* all strips are as they were at n_ready */
	} survey;
};

/* Seconds since kernel start in a boot, since the attach otherwise. */
double serve_seconds(const struct serve *s);

/* Everything about the attachment as it is now. */
void serve_status(struct serve *s, struct status *ret);

/* Once a second and at each change: status.json, console lines while servers are away, progress. */
void serve_tick(struct serve *s);

/* Into the timeline: what has come since the last call, and what waits. */
void serve_note(struct serve *s, const struct status *st, int64_t now_ms);

/* The file `report` in the run directory.  -errno */
int serve_write_report(struct serve *s) _must_check_;

/* control_ops.report and control_ops.set */
int serve_report(void *ctx, char *why, size_t why_bytes) _must_check_;
int serve_set(void *ctx, const char *const *words, unsigned n_words, char *why,
	      size_t why_bytes) _must_check_;

/* status.json now: the last word before the end. */
void serve_write_status(struct serve *s);

#endif
