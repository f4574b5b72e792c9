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

/*
 * What the next serving process has to know, in memory that outlives this one.  Written by the main
 * thread; what makes it count is written last.
 */
struct serve_record {
	uint64_t is_ready; /* all of the following holds */
	uint64_t is_paused;
	uint64_t has_dm;
	struct blockdev loop, dm; /* without their descriptors */
	double seconds_ready, seconds_resident;
	uint64_t
		is_swapped; /* the handover is done but for letting go of the loop device */
	uint64_t is_leaving; /* a detach was agreed to */
	struct serve_counters { /* as they were at the last look */
		uint64_t hot_bytes, demand_bytes, fill_bytes, wire_bytes, requests;
		uint64_t demand_chunks;
		uint64_t net_restarts;
	} counters;
};

struct serve {
	/* set before threads start */
	struct daemon *d;
	const struct options *o;
	int event_fd; /* wakes the main thread */
	struct serve_record *record;
	struct serve_counters before; /* of the processes before this one */
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
	} tick;
};

/* Steps of the start that are the same after a death. */
int serve_open_control(struct serve *s) _must_check_;
int serve_open_source(struct serve *s) _must_check_;
int serve_make_parts(struct serve *s) _must_check_;
struct openimage_trust serve_trust(const struct serve *s);
unsigned serve_n_store_threads(void);
/* The last step of a handover, after its run. */
void serve_finish_handover(struct serve *s, enum handover_method method);

/* The device is ready: from here on the next serving process can go on. */
void serve_record_ready(struct serve *s);
/*
 * Instead of the start: go on where another serving process died, with its devices, its memory and the requests
 * that it left.  -errno, logged: another process may have more luck.
 */
int serve_resume(struct serve *s) _must_check_;

/* Seconds since kernel start in a boot, since the attach otherwise. */
double serve_seconds(const struct serve *s);

/* Everything about the attachment as it is now. */
void serve_status(struct serve *s, struct status *ret);

/* Once a second and at each change: status.json, console lines while servers are away, progress. */
void serve_tick(struct serve *s);

/* status.json now: the last word before the end. */
void serve_write_status(struct serve *s);

#endif
