/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_mode.c - how the image comes: at once and filled later, all of it first, or on
 * demand only
 *
 * The mode that was asked for is not always the one that is possible: the image may not
 * fit into memory, or the server may give only whole files.  What is decided here, and
 * when, is said in the log, with the numbers, and stays in the warnings of the status.
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/preflight.h"

#define MIB (UINT64_C(1) << 20)
/* Memory comes and goes; a fill that was stopped goes on when there is this much more. */
#define RESERVE_AGAIN_PERCENT 125u
/* A server that failed so often is not waited for when another has the image, but no ranges. */
#define RANGES_TRIES 3u
/* What a warning that the fill is held says. */
#define RESTS ": the fill rests until there is more"

void serve_warn(struct serve *s, const char *fmt, ...)
{
	char text[OPTIONS_WARNING_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_warning("%s", text);
	serve_keep_warning(s, text);
}

void serve_keep_warning(struct serve *s, const char *text)
{
	struct options *o = &s->d->options;

	if (o->n_warnings < OPTIONS_WARNINGS_MAX)
		snprintf(o->warnings[o->n_warnings++], OPTIONS_WARNING_BYTES, "%s", text);
	serve_record_warnings(s);
}

/* What warnings with this in them were about is over. */
static void drop_warnings(struct serve *s, const char *part)
{
	struct options *o = &s->d->options;
	unsigned n = 0;

	for (unsigned i = 0; i < o->n_warnings; i++)
		if (!strstr(o->warnings[i], part))
			memmove(o->warnings[n++], o->warnings[i], OPTIONS_WARNING_BYTES);
	o->n_warnings = n;
	serve_record_warnings(s);
}

/* -- before the store is made ------------------------------------------------------------- */

/* Whether the store takes memory at all. */
static bool is_in_memory(const struct serve *s)
{
	return options_store_kind(s->o) != STORE_DISK;
}

bool serve_can_be_left(const struct serve *s)
{
	/* Of a disk somebody has to note what is written there. */
	if (store_is_persistent(s->store))
		return s->o->read_only && s->store->given.fd >= 0;
	return s->store->device[0] || s->store->given.fd >= 0;
}

bool serve_can_stream(struct serve *s)
{
	struct source_status *src = &s->full.src;
	bool is_any_sequential = false;

	source_status(s->source, src);
	for (unsigned i = 0; i < src->n_servers; i++) {
		if (src->servers[i].state == SERVER_OK && !src->servers[i].ignores_range)
			return true;
		is_any_sequential = is_any_sequential || src->servers[i].ignores_range;
	}
	return !is_any_sequential;
}

/* -- while the image is asked for --------------------------------------------------------- */

enum ranges { RANGES_MAYBE, RANGES_NOT_NOW, RANGES_NEVER };

/*
 * Is there a server that does not know ranges, and no other?  Another that failed a few
 * times may come back (NOT_NOW), or it may not.
 */
static enum ranges judge_servers(struct source_status *src)
{
	enum ranges ret = RANGES_NEVER;
	bool is_any_sequential = false;

	for (unsigned i = 0; i < src->n_servers; i++) {
		const struct source_server_status *server = &src->servers[i];

		if (server->ignores_range) {
			is_any_sequential = true;
			continue;
		}
		if (server->state == SERVER_OK || server->state == SERVER_UNUSED ||
		    (server->state == SERVER_FAILING && server->n_errors < RANGES_TRIES))
			return RANGES_MAYBE;
		ret = RANGES_NOT_NOW;
	}
	return is_any_sequential ? ret : RANGES_MAYBE;
}

bool serve_servers_will_do(struct serve *s)
{
	enum ranges ranges;

	if (s->o->mode == MODE_FULL)
		return true;
	source_status(s->source, &s->full.src);
	ranges = judge_servers(&s->full.src);
	if (ranges == RANGES_MAYBE ||
	    (s->o->mode == MODE_STREAM && ranges != RANGES_NEVER))
		return true;
	if (s->o->mode == MODE_HYBRID) {
		serve_warn(s, "servers: no server can give parts of a file (HTTP "
			      "ranges): mode full instead of hybrid: all of the image is "
			      "copied first");
		s->d->options.mode = MODE_FULL;
		source_allow_sequential(s->source);
		return true;
	}
	snprintf(s->error, sizeof s->error,
		 "servers: no server can give parts of a file (HTTP ranges), which mode "
		 "stream needs: another server, or mode full");
	log_error("%s", s->error);
	return false;
}

/* In whole MiB: what is needed of `what`, and what there is. */
static void describe_lack(const struct preflight *p, uint64_t need, const char *what,
			  char *ret, size_t n_bytes)
{
	if (p->limit_bytes && p->need_bytes > p->limit_bytes)
		snprintf(ret, n_bytes,
			 "memory: %s needs about %" PRIu64
			 " MiB, store-limit allows %" PRIu64 " MiB",
			 what, need / MIB, p->limit_bytes / MIB);
	else
		snprintf(ret, n_bytes,
			 "memory: %s needs about %" PRIu64 " MiB, %" PRIu64
			 " MiB are available and %" PRIu64 " MiB of them are reserved",
			 what, need / MIB, p->available_bytes / MIB,
			 p->reserve_bytes / MIB);
}

int serve_preflight(struct serve *s)
{
	char lack[160];
	struct preflight p;
	struct memory memory;
	int err;

	if (s->o->mode == MODE_STREAM || !is_in_memory(s))
		return 0;
	err = memory_read(s->d->meminfo_fd, &memory);
	if (err < 0) {
		log_warning("memory: /proc/meminfo: %s: not known whether the image fits",
			    strerror(-err));
		return 0;
	}
	preflight(img_info(s->image.img), options_store_kind(s->o) == STORE_ZRAM, &memory,
		  s->o->reserve_bytes, s->o->store_limit_bytes, &p);
	log_notice("memory: the image needs about %" PRIu64 " MiB, %" PRIu64
		   " MiB are available",
		   p.need_bytes / MIB, p.available_bytes / MIB);
	if (p.fits)
		return 0;
	describe_lack(&p, p.need_bytes, "the image", lack, sizeof lack);
	if (s->o->low_memory == LOW_MEMORY_STREAM && serve_can_stream(s)) {
		serve_warn(s, "%s: mode stream instead of %s", lack,
			   option_mode_name(s->o->mode));
		s->d->options.mode = MODE_STREAM;
		return 0;
	}
	snprintf(s->error, sizeof s->error, "%.160s: %s", lack,
		 serve_can_stream(s)
			 ? "low-memory=stream, another store, or more memory"
			 : "it cannot be streamed from a server without ranges: more "
			   "memory, or another server");
	log_error("%s", s->error);
	s->no_fallback = s->o->low_memory == LOW_MEMORY_FAIL;
	return -ENOMEM;
}

bool serve_would_fit(struct serve *s, char *why, size_t why_bytes)
{
	struct store_usage usage;
	struct memory memory;
	struct preflight p;
	uint64_t need;

	if (!is_in_memory(s) || memory_read(s->d->meminfo_fd, &memory) < 0)
		return true;
	preflight(img_info(s->image.img), options_store_kind(s->o) == STORE_ZRAM, &memory,
		  s->o->reserve_bytes, s->o->store_limit_bytes, &p);
	store_usage(cache_store(s->cache), &usage);
	/* What is stored already is not available any more, and not needed again. */
	need = p.need_bytes - min_u64(p.need_bytes, usage.used_bytes);
	if (need <= p.available_bytes && p.reserve_bytes <= p.available_bytes - need &&
	    (p.limit_bytes == 0 || p.need_bytes <= p.limit_bytes))
		return true;
	describe_lack(&p, need, "the rest of the image", why, why_bytes);
	return false;
}

/* -- while it fills ----------------------------------------------------------------------- */

void serve_pause_fill(struct serve *s)
{
	engine_pause(s->engine, s->is_paused || s->is_held);
}

/* It begins without a hold, and says so again if there still is one. */
void serve_forget_hold(struct serve *s)
{
	drop_warnings(s, RESTS);
}

/* Too little is left, as held_reason says: stop, or keep only what is used. */
static void run_low(struct serve *s)
{
	char why[160];

	s->is_held = true;
	serve_pause_fill(s);
	if (s->o->low_memory != LOW_MEMORY_STREAM || !serve_can_stream(s)) {
		serve_warn(s, "%s" RESTS, s->held_reason);
		return;
	}
	if (serve_set_mode(s, MODE_STREAM, why, sizeof why) == 0)
		serve_warn(s, "%s: going on in mode stream", s->held_reason);
	else
		serve_warn(s, "%s" RESTS ": %s", s->held_reason, why);
}

static void run_again(struct serve *s)
{
	s->is_held = false;
	drop_warnings(s, s->held_reason);
	s->held_reason[0] = '\0';
	serve_pause_fill(s);
	log_notice("memory: there is enough again: the fill %s",
		   s->is_paused ? "is still paused" : "goes on");
}

/* At store-limit: when something was discarded there is room again. */
static bool has_store_room(const struct serve *s)
{
	const uint64_t limit = s->o->store_limit_bytes;
	struct store_usage usage;

	store_usage(cache_store(s->cache), &usage);
	return usage.used_bytes < limit - limit / 16;
}

static void watch_store(struct serve *s)
{
	struct cache_stats cache;

	/* Without a limit it is the machine that has too little: the reserve. */
	if (s->o->store_limit_bytes == 0)
		return;
	cache_stats(s->cache, &cache);
	if (!s->is_held && cache.is_store_full && !has_store_room(s)) {
		snprintf(s->held_reason, sizeof s->held_reason,
			 "memory: the store is full with %" PRIu64
			 " MiB, which is its store-limit",
			 cache.used_bytes / MIB);
		s->is_store_held = true;
		run_low(s);
	} else if (s->is_held && s->is_store_held && has_store_room(s)) {
		s->is_store_held = false;
		run_again(s);
	}
}

void serve_watch_memory(struct serve *s)
{
	struct memory memory;
	uint64_t reserve;

	if (s->state != STATE_FILLING || s->o->mode == MODE_STREAM || !is_in_memory(s))
		return;
	watch_store(s);
	if (s->is_store_held || s->o->mode == MODE_STREAM ||
	    memory_read(s->d->meminfo_fd, &memory) < 0)
		return;
	reserve = preflight_reserve(s->o->reserve_bytes, memory.total_bytes);
	if (!s->is_held && memory.available_bytes < reserve) {
		snprintf(s->held_reason, sizeof s->held_reason,
			 "memory: %" PRIu64
			 " MiB are available, less than the reserve of %" PRIu64 " MiB",
			 memory.available_bytes / MIB, reserve / MIB);
		run_low(s);
	} else if (s->is_held &&
		   memory.available_bytes >= reserve / 100 * RESERVE_AGAIN_PERCENT) {
		run_again(s);
	}
}

/* -- full: all of it first ---------------------------------------------------------------- */

/* False when nothing has come for attach-timeout. */
bool serve_full_goes_on(struct serve *s)
{
	struct chunkmap_counts counts;
	struct source_status *src = &s->full.src;
	struct engine_stats engine;
	int64_t now_ms = clock_ms();

	chunkmap_counts(s->cm, &counts);
	source_status(s->source, src);
	engine_stats(s->engine, &engine);
	/* Bytes on the wire are no progress: they may be wrong, again and again. */
	if (s->full.since_ms == 0 || counts.n_ready != s->full.n_ready || s->is_paused) {
		s->full.since_ms = now_ms;
		s->full.n_ready = counts.n_ready;
	}
	if (now_ms - s->full.since_ms < s->o->attach_timeout_ms)
		return true;
	snprintf(s->error, sizeof s->error,
		 "full: no progress for %" PRId64 " s with %" PRIu64 " of %" PRIu64
		 " chunks there: %.100s",
		 (now_ms - s->full.since_ms) / 1000, counts.n_ready, counts.n_chunks,
		 s->is_held	   ? s->held_reason
		 : engine.error[0] ? engine.error
				   : src->servers[0].last_error);
	log_error("%s", s->error);
	s->no_fallback = s->is_held && s->o->low_memory == LOW_MEMORY_FAIL;
	return false;
}
