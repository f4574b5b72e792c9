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
#include "engine/recheck.h"
#include "face/control.h"
#include "face/fusefile.h"
#include "face/handover.h"
#include "face/status.h"

struct serve {
	/* set before threads start */
	struct daemon *d;
	const struct options *o;
	int event_fd; /* wakes the main thread */
	struct source *source;
	struct openimage image;
	struct store *store;
	struct recheck *recheck; /* of a persistent store, or NULL */
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
	} tick;
};

/* Seconds since kernel start in a boot, since the attach otherwise. */
double serve_seconds(const struct serve *s);

/* Everything about the attachment as it is now. */
void serve_status(struct serve *s, struct status *ret);

/* Once a second and at each change: status.json, console lines while servers are away, progress. */
void serve_tick(struct serve *s);

/* status.json now: the last word before the end. */
void serve_write_status(struct serve *s);

#endif
