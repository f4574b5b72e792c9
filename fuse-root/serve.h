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

/*
 * What the next serving process has to know, in memory that outlives this one.  Written by the main
 * thread; what makes it count is written last.
 */
struct serve_record {
	uint64_t is_ready; /* all of the following holds */
	uint64_t has_dm;
	struct blockdev loop, dm; /* without their descriptors */
	double seconds_ready, seconds_resident;
	uint64_t zram_bytes; /* size of the device, smaller than the image under slots */
	uint64_t zram_entry_bytes; /* what the kernel keeps for each page of it */
	struct serve_settings { /* what can be changed while it runs */
		uint64_t mode;
		uint64_t cache_bytes, reserve_bytes, rate_bytes;
		uint64_t is_paused, awaits_boot;
	} settings;
	/* The servers of now: two places, of which one is written while the other counts. */
	struct serve_servers {
		uint64_t n;
		char urls[OPTIONS_SERVERS_MAX][OPTIONS_URL_BYTES];
	} servers[2];
	uint64_t servers_at; /* which of them counts */
	uint64_t n_warnings; /* written after the text */
	char warnings[OPTIONS_WARNINGS_MAX][OPTIONS_WARNING_BYTES];
	uint64_t method; /* of the handover, before it is begun */
	/* The handover is done but for letting go of the loop device. */
	uint64_t is_swapped;
	uint64_t is_leaving; /* a detach was agreed to */
	struct serve_counters { /* as they were at the last look */
		uint64_t hot_bytes, demand_bytes, fill_bytes, ahead_bytes;
		uint64_t wire_bytes, requests;
		uint64_t demand_chunks;
		uint64_t net_restarts;
	} counters;
};

struct serve {
	/* set before threads start */
	struct daemon *d;
	const struct options *
		o; /* as they are now: mode, cache and others change; the main thread's alone */
	int event_fd; /* wakes the main thread */
	struct serve_record *record;
	struct serve_counters before; /* of the processes before this one */
	struct source *source;
	struct openimage image;
	struct store *store;
	bool store_is_slotted; /* smaller than the image: it can never be handed over */
	struct {
		char device[64];
		uint64_t diskseq;
	} zram; /* under it, also under slots; "" and 0: none */
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
	bool is_held; /* the fill rests for want of memory */
	bool is_store_held; /* that the store may take */
	char held_reason[160];
	bool is_attached, is_paused, is_leaving;
	bool is_boot_over; /* as a file in the run directory says */
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
		uint64_t last_bytes; /* fetched then; UINT64_MAX: nobody has looked yet */
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
 * serve_set_mode: hybrid or stream.  To hybrid the fill starts; to stream it ends and,
 * where more is stored than the cache may take, chunks begin to leave.  -EBUSY: it is
 * resident or not ready yet; -EOPNOTSUPP: the store is smaller than the image, or the
 * mode is full; -ENOMEM: hybrid would not fit.
 * serve_set_cache: the budget, in mode stream at once, else for when it comes to that.
 * -EINVAL: too small.
 */
int serve_set_mode(struct serve *s, enum option_mode mode, char *why,
		   size_t why_bytes) _must_check_;
int serve_set_cache(struct serve *s, uint64_t n_bytes, char *why,
		    size_t why_bytes) _must_check_;
/* What the store may take now; 0: no limit of ours. */
uint64_t serve_budget(const struct serve *s);

/* A step of the start failed, or the device is lost: state and error say so.  Returns err. */
int serve_fail(struct serve *s, int err, const char *what);

/* Steps of the start that are the same after a death. */
int serve_open_control(struct serve *s) _must_check_;
int serve_open_source(struct serve *s) _must_check_;
int serve_make_parts(struct serve *s) _must_check_;
int serve_make_file(struct serve *s) _must_check_;
/* Everything that runs but for the FUSE threads. */
int serve_start_engine(struct serve *s) _must_check_;
/* Without its devices. */
struct attachment serve_attachment(const struct serve *s);

/* The device is ready: from here on the next serving process can go on. */
void serve_record_ready(struct serve *s);
/* Something of struct serve_settings was changed. */
void serve_record_settings(struct serve *s);
/* The source and the network process go on with the servers of `o`. */
void serve_use_servers(struct serve *s, const struct options *o);
/* As serve_warn has them. */
void serve_record_warnings(struct serve *s);
/*
 * Instead of the start: go on where another serving process died, with its devices, its
 * memory and the requests that it left.  -errno, logged: another process may have more
 * luck.
 */
int serve_resume(struct serve *s) _must_check_;

/* Seconds since kernel start in a boot, since the attach otherwise. */
double serve_seconds(const struct serve *s);

/* The rate of the fill, for the estimate of its end, is measured from here on. */
void serve_begin_rate(struct serve *s);

/* Everything about the attachment as it is now. */
void serve_status(struct serve *s, struct status *ret);

/* Once a second and at each change: status.json, console lines while servers are away, progress. */
void serve_tick(struct serve *s);
/*
 * A file "booted" in the run directory, which the initramfs's watcher makes, is as good as
 * `trace --end`: looked for in a boot, and while fill=boot waits.
 */
void serve_look_for_boot_end(struct serve *s);

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

/* -- serve_control.c ---------------------------------------------------------------------- */

/* Hear other threads, the keeper and the control socket, once, for so long at most. */
void serve_wait_for_events(struct serve *s, int timeout_ms);
/* In a boot: the fill is to begin a random time from now. */
void serve_hold_fill(struct serve *s);

/* -- serve_image.c ------------------------------------------------------------------------ */

/*
 * s->image, from the servers, for as long as the attach may take.  -ECANCELED without an error in
 * the status: a detach came first.
 */
int serve_open_image(struct serve *s) _must_check_;
struct openimage_trust serve_trust(const struct serve *s);

/* -- serve_handover.c --------------------------------------------------------------------- */

/*
 * Every chunk is READY: fetching ends, and the kernel goes on without the daemon where it can
 * (handover_done).
 */
void serve_hand_over(struct serve *s);
/* Mode full: everything is in the store, whose device is all there is. */
int serve_deliver(struct serve *s) _must_check_;
/* The last step of a handover, after its run. */
void serve_finish_handover(struct serve *s, enum handover_method method);
/*
 * After the status that says it: to the keeper, and by a file to wait for, to units of the root
 * that know nothing of hydroot.
 */
void serve_say_resident(const struct serve *s);

/* -- serve_store.c ------------------------------------------------------------------------ */

#define SERVE_RECHECK_THREADS 2u

/* Threads that read and write, but for those of the recheck. */
unsigned serve_n_store_threads(void);
/*
 * s->store as the options want it; as the process before this one had it.  -errno, logged
 * but for -ENOMEM.
 */
int serve_open_store(struct serve *s) _must_check_;
int serve_take_store(struct serve *s) _must_check_;
/* Of a persistent store that was given: nobody has it to himself any more. */
void serve_release_claim(struct serve *s);

/* -- serve_mode.c ------------------------------------------------------------------------- */

/* A warning in the log and in the status. */
void serve_warn(struct serve *s, const char *fmt, ...) _printf_(2, 3);
/* One that was logged where it arose. */
void serve_keep_warning(struct serve *s, const char *text);

/*
 * The image is known and the store is not made: does it fit into memory?  If not,
 * low-memory decides: the mode becomes stream, or -ENOMEM with s->error.
 */
int serve_preflight(struct serve *s) _must_check_;
/*
 * While the image is not known yet: servers that give whole files only will not do, but
 * in mode full.  Hybrid goes on as that where there is no other.  False, with s->error:
 * in mode stream.
 */
bool serve_servers_will_do(struct serve *s) _must_check_;
/*
 * The complete store has a block device, or a file to make one of, that can be left alone
 * with the image.
 */
bool serve_can_be_left(const struct serve *s);
/* Does a server answer that can give ranges?  True also when nobody knows. */
bool serve_can_stream(struct serve *s);
/*
 * Would all of the image fit, with what is there?  True also when nobody knows.  False:
 * both numbers are in `why`.
 */
bool serve_would_fit(struct serve *s, char *why, size_t why_bytes) _must_check_;
/* After is_paused or is_held has changed. */
void serve_pause_fill(struct serve *s);
/* In a process that takes over: of a hold only a warning is left. */
void serve_forget_hold(struct serve *s);
/* Once a second: below the reserve the fill stops, and low-memory decides. */
void serve_watch_memory(struct serve *s);
/*
 * Once a second: in mode stream the cache leaves others the reserve, as far as it can;
 * serve_cache.c.
 */
void serve_limit_cache(struct serve *s);
/* Mode full: false, with s->error, when nothing has come for attach-timeout. */
bool serve_full_goes_on(struct serve *s) _must_check_;

#endif
