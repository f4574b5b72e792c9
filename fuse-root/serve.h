/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - the parts of one attachment in the serving process; for serve*.c only
 */
#ifndef SERVE_H
#define SERVE_H

#include <stdatomic.h>

#include "daemon.h"
#include "engine/cache.h"
#include "engine/engine.h"
#include "engine/openimage.h"
#include "engine/recheck.h"
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
	bool store_is_slotted; /* smaller than the image: it can never be handed over */
	char store_device[64]; /* of the zram under it, or "" */
	struct recheck *recheck; /* of a persistent store, or NULL */
	struct chunkmap *cm;
	struct cache *cache; /* over the store; everybody reads and writes through it */
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
	enum option_mode
		mode; /* of now: not always the one that was asked for, and it can be changed */
	uint64_t reserve_bytes; /* 0: the default */
	bool is_sequential; /* the servers give whole files only */
	bool is_held; /* the fill rests for want of memory */
	char held_reason[160];
	uint64_t cache_bytes; /* the budget in mode stream */
	bool is_attached, is_paused, is_leaving, handover_failed;
	bool awaits_boot; /* fill=boot, and the boot is not complete: the fill is paused */
	enum handover_method handover_method;
	bool handover_done;
	bool no_fallback; /* failed for want of memory, with low-memory=fail */
	char error[256];
	struct { /* mode full: when something last came */
		int64_t since_ms;
		uint64_t n_ready;
		struct source_status src;
	} full;
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
		bool said_written; /* that written blocks take most of the cache */
	} tick;
	struct { /* which part of the chunk map the timeline looks at next */
		unsigned strip;
		uint64_t n_ready; /* when the look began at the first strip */
		bool is_whole; /* all strips are as they were at n_ready */
	} survey;
};

/*
 * At run time, main thread only; 0, or -errno with a reason in `why`.
 * serve_set_mode: hybrid or stream.  To hybrid the fill starts; to stream it ends and, where more is stored
 * than the cache may take, chunks begin to leave.  -EBUSY: it is resident or not ready yet;
 * -EOPNOTSUPP: the store is smaller than the image, or the mode is full.
 * serve_set_cache: the budget, in mode stream at once, else for when it comes to that.  -EINVAL: too small.
 */
int serve_set_mode(struct serve *s, enum option_mode mode, char *why,
		   size_t why_bytes) _must_check_;
int serve_set_cache(struct serve *s, uint64_t n_bytes, char *why,
		    size_t why_bytes) _must_check_;
/* What the store may take now; 0: no limit of ours. */
uint64_t serve_budget(const struct serve *s);

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

/* -- serve_mode.c ------------------------------------------------------------------------- */

/* A warning in the log and in the status. */
void serve_warn(struct serve *s, const char *fmt, ...) _printf_(2, 3);
const char *serve_mode_name(enum option_mode mode);

/*
 * The image is known and the store is not made: does it fit into memory?  If not, low-memory decides:
 * s->mode becomes stream, or -ENOMEM with s->error.
 */
int serve_preflight(struct serve *s) _must_check_;
/* Once a second: below the reserve the fill stops, and low-memory decides. */
void serve_watch_memory(struct serve *s);
/* Mode full: false, with s->error, when nothing has come for attach-timeout. */
bool serve_full_goes_on(struct serve *s) _must_check_;

#endif
