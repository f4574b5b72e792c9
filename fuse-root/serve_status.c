/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_status.c - what the serving process says about itself
 */
#include "serve.h"

#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define AWAY_LINE_MS 10000
#define WRITE_STATUS_MS 5000
#define SAY_PROGRESS_MS 5000
#define MIB (1024u * 1024)
#define NO_READS UINT64_MAX /* nobody can read yet */

double serve_seconds(const struct serve *s)
{
	struct timespec ts;

	if (!s->d->is_boot)
		return (double)(clock_ms() - s->d->start_ms) / 1000;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fill_image(const struct serve *s, struct status *st)
{
	const struct img_info *info = img_info(s->image.img);

	memcpy(st->image.uuid, info->uuid, sizeof st->image.uuid);
	memcpy(st->image.digest, info->digest, sizeof st->image.digest);
	st->image.bytes = info->image_bytes;
	st->image.chunk_bytes = info->chunk_bytes;
	st->image.chunks = info->n_chunks;
}

static void fill_source(struct serve *s, struct status *st, struct source_status *ret)
{
	if (!s->source) {
		*ret = (struct source_status){0};
		return;
	}
	source_status(s->source, ret);
	st->n_servers = ret->n_servers;
	memcpy(st->servers, ret->servers, sizeof st->servers);
	st->wire_bytes = s->before.wire_bytes + ret->wire_bytes;
	st->requests = s->before.requests + ret->n_requests;
	st->net_restarts = (unsigned)s->before.net_restarts + ret->n_net_restarts;
}

static void fill_store(struct serve *s, struct status *st)
{
	struct store_usage usage;

	store_usage(s->cache ? cache_store(s->cache) : s->store, &usage);
	snprintf(st->store.kind, sizeof st->store.kind, "%s", s->store->ops->kind);
	/* A store of slots has no device to show for itself. */
	snprintf(st->store.device, sizeof st->store.device, "%s",
		 s->store->device[0] ? s->store->device : s->zram.device);
	st->store.diskseq = s->zram.diskseq;
	st->store.used_bytes = usage.used_bytes;
	st->store.limit_bytes = usage.limit_bytes;
}

static void fill_trace(const struct serve *s, struct status *st)
{
	struct trace_counts counts;
	const char *end;

	trace_counts(s->trace, &counts);
	end = trace_end_name(counts.end);
	st->trace_blocks = counts.n_blocks;
	snprintf(st->trace_ended, sizeof st->trace_ended, "%s", end ? end : "");
}

static uint64_t fetched_bytes(const struct status *st)
{
	return st->demand_bytes + st->hot_bytes + st->fill_bytes + st->ahead_bytes;
}

/*
 * What is still to be fetched, as it comes: zeros cost nothing, so bytes that are there
 * say little of the time that the rest takes.  What a persistent store has had is not
 * among what was fetched.
 */
static uint64_t left_bytes(const struct serve *s, const struct status *st)
{
	const uint64_t all = img_info(s->image.img)->data_bytes;
	const uint64_t fetched = min_u64(fetched_bytes(st), all);

	return min_u64(all - fetched, st->image.bytes - st->resident_bytes);
}

static void fill_progress(struct serve *s, struct status *st)
{
	struct chunkmap_counts counts;
	struct readpath_stats reads = {0};
	struct engine_stats engine;
	uint64_t missing;

	chunkmap_counts(s->cm, &counts);
	if (s->file)
		fusefile_stats(s->file, &reads);
	engine_stats(s->engine, &engine);
	st->resident_chunks = counts.n_ready;
	st->resident_bytes = counts.ready_bytes;
	st->demand_chunks = s->before.demand_chunks + engine.demand_chunks;
	st->demand_bytes = s->before.demand_bytes + engine.demand_bytes;
	st->hot_bytes = s->before.hot_bytes + engine.hot_bytes;
	st->fill_bytes = s->before.fill_bytes + engine.fill_bytes;
	st->ahead_bytes = s->before.ahead_bytes + engine.ahead_bytes;
	st->demand_waiting = counts.n_waiting;
	st->reads = reads.n_reads;
	st->reads_waited = reads.n_waited;
	st->reads_demanded = reads.n_demanded;
	st->reads_timed_out = reads.n_timed_out;
	st->wait_ms_p50 = reads.wait_ms_p50;
	st->wait_ms_p99 = reads.wait_ms_p99;
	st->waits = reads.waits;
	missing = left_bytes(s, st);
	if (counts.ready_bytes == st->image.bytes)
		st->eta_seconds = 0;
	else if (!s->is_paused && s->tick.bytes_per_second > 1)
		st->eta_seconds = (int64_t)((double)missing / s->tick.bytes_per_second);
	if (!s->error[0])
		snprintf(st->error, sizeof st->error, "%s", engine.error);
}

/* The first server that is away, with what it last said. */
static const struct source_server_status *away_server(const struct source_status *src)
{
	for (unsigned i = 0; i < src->n_servers; i++)
		if (src->servers[i].state == SERVER_FAILING ||
		    src->servers[i].state == SERVER_REFUSED)
			return &src->servers[i];
	return &src->servers[0];
}

static void describe_away(const struct source_status *src, uint64_t n_waiting, char *ret,
			  size_t n_bytes)
{
	const struct source_server_status *server = away_server(src);
	char silence[48] = "no byte ever came", reads[48] = "";

	if (n_waiting != NO_READS)
		snprintf(reads, sizeof reads, ", %" PRIu64 " reads wait", n_waiting);
	if (src->ms_since_byte >= 0)
		snprintf(silence, sizeof silence, "last byte %" PRId64 " s ago",
			 src->ms_since_byte / 1000);
	snprintf(ret, n_bytes, "%.120s%s%s%s: %.100s: %s, next try in %" PRId64 " s%s",
		 server->url, server->address[0] ? " (" : "", server->address,
		 server->address[0] ? ")" : "",
		 server->last_error[0] ? server->last_error : "no answer", silence,
		 (server->next_try_ms + 999) / 1000, reads);
}

/*
 * What a person has to do something about before it is too late.  False: there is nothing
 * of that.
 */
static bool describe_written(const struct serve *s, char ret[OPTIONS_WARNING_BYTES])
{
	struct cache_stats cache;

	cache_stats(s->cache, &cache);
	if (cache.budget_bytes == 0 ||
	    (cache.written_bytes < cache.budget_bytes / 5 * 4 && !cache.is_full))
		return false;
	snprintf(ret, OPTIONS_WARNING_BYTES,
		 "cache: written blocks take %" PRIu64 " of %" PRIu64
		 " MiB and stay: %s: delete files, or give it more: cache=SIZE",
		 cache.written_bytes / MIB, cache.budget_bytes / MIB,
		 cache.is_full ? "full: writes fail" : "writes fail when it is full");
	return true;
}

static void warn_of_written(const struct serve *s, struct status *st)
{
	if (st->n_warnings < OPTIONS_WARNINGS_MAX &&
	    describe_written(s, st->warnings[st->n_warnings]))
		st->n_warnings++;
}

static void say_written(struct serve *s)
{
	char text[OPTIONS_WARNING_BYTES];
	const bool is_much = describe_written(s, text);

	if (is_much && !s->tick.said_written)
		log_warning("%s", text);
	s->tick.said_written = is_much;
}

static enum attach_state current_state(const struct serve *s, const struct status *st,
				       const struct source_status *src)
{
	if (s->state == STATE_STREAMING)
		return src->is_away && st->demand_waiting ? STATE_STALLED
							  : STATE_STREAMING;
	if (s->state != STATE_FILLING)
		return s->state;
	if (src->is_away && (st->demand_waiting || !s->is_paused))
		return STATE_STALLED;
	return s->is_paused || s->is_held ? STATE_PAUSED : STATE_FILLING;
}

/* For the next serving process; a death loses the last second of it. */
static void record_counters(struct serve *s, const struct status *st)
{
	if (!s->engine)
		return;
	s->record->counters = (struct serve_counters){
		.hot_bytes = st->hot_bytes,
		.demand_bytes = st->demand_bytes,
		.fill_bytes = st->fill_bytes,
		.ahead_bytes = st->ahead_bytes,
		.wire_bytes = st->wire_bytes,
		.requests = st->requests,
		.demand_chunks = st->demand_chunks,
		.net_restarts = st->net_restarts,
	};
}

/* Not a matter of options, so behind their warnings. */
static void warn_of_deaths(const struct serve *s, struct status *st)
{
	char *text = st->warnings[st->n_warnings];

	st->serve_restarts = s->d->n_serve_deaths;
	if (!st->serve_restarts || st->n_warnings == OPTIONS_WARNINGS_MAX)
		return;
	snprintf(text, sizeof st->warnings[0],
		 "the serving process died %u times and was started again, last ended by "
		 "signal %d; nothing was lost",
		 st->serve_restarts, s->d->last_signal);
	st->n_warnings++;
}

void serve_status(struct serve *s, struct status *ret)
{
	static struct source_status src; /* large; the main thread's alone */
	const struct blockdev *device = attachment_device(&s->attachment);

	*ret = (struct status){
		.mode = s->o->mode,
		.read_only = s->o->read_only,
		.eta_seconds = -1,
		.handover_done = s->handover_done,
		.handover_method = s->handover_method,
		.seconds_ready = s->seconds_ready,
		.seconds_resident = s->seconds_resident,
		.n_warnings = s->o->n_warnings,
		.rate_bytes = s->o->rate_bytes,
		.cache_bytes = s->o->cache_bytes,
	};
	snprintf(ret->name, sizeof ret->name, "%s", s->o->name);
	snprintf(ret->image.url, sizeof ret->image.url, "%s", s->o->servers[0]);
	snprintf(ret->error, sizeof ret->error, "%s", s->error);
	memcpy(ret->warnings, s->o->warnings, sizeof ret->warnings);
	warn_of_deaths(s, ret);
	fill_source(s, ret, &src);
	if (s->image.img)
		fill_image(s, ret);
	if (s->store)
		fill_store(s, ret);
	if (s->engine)
		fill_progress(s, ret);
	if (s->trace)
		fill_trace(s, ret);
	if (s->cache)
		warn_of_written(s, ret);
	if (s->is_attached) {
		snprintf(ret->device, sizeof ret->device, "/dev/hydroot/%s", s->o->name);
		snprintf(ret->block_device, sizeof ret->block_device, "%s", device->path);
	}
	ret->state = current_state(s, ret, &src);
	if (ret->state == STATE_STALLED || ret->state == STATE_PAUSED)
		ret->eta_seconds = -1;
	if (ret->state == STATE_PAUSED && s->is_held)
		snprintf(ret->reason, sizeof ret->reason, "%s", s->held_reason);
	else if (ret->state == STATE_ATTACHING && src.is_away)
		describe_away(&src, NO_READS, ret->reason, sizeof ret->reason);
	else if (ret->state == STATE_STALLED)
		describe_away(&src, ret->demand_waiting, ret->reason, sizeof ret->reason);
	else if (s->awaits_boot && ret->state == STATE_PAUSED)
		snprintf(
			ret->reason, sizeof ret->reason,
			"the fill waits for the end of the boot: hydroot trace --end, or "
			"hydroot resume");
	else if (!s->handover_done && ret->state == STATE_RESIDENT)
		snprintf(ret->reason, sizeof ret->reason,
			 "complete in memory; the daemon goes on serving it");
	else if (!s->handover_done && ret->state == STATE_CACHED)
		snprintf(
			ret->reason, sizeof ret->reason,
			"complete on the store; the daemon goes on serving it and notes what "
			"is written");
}

void serve_write_status(struct serve *s)
{
	static struct status st;
	cleanup_free char *json = NULL;

	serve_status(s, &st);
	if (status_to_json(&st, &json) == 0)
		(void)!status_write(s->d->rundir_fd, json);
}

void serve_begin_rate(struct serve *s)
{
	s->tick.last_ms = clock_ms();
	s->tick.last_bytes = UINT64_MAX;
	s->tick.bytes_per_second = 0;
}

static void measure_rate(struct serve *s, const struct status *st, int64_t now_ms)
{
	int64_t elapsed = now_ms - s->tick.last_ms;
	const uint64_t now_bytes = fetched_bytes(st);
	double rate;

	if (s->tick.last_bytes == UINT64_MAX)
		s->tick.last_bytes = now_bytes;
	if (elapsed < 900)
		return;
	rate = (double)(now_bytes - s->tick.last_bytes) * 1000 / (double)elapsed;
	if (s->tick.bytes_per_second > 0)
		rate = 0.8 * s->tick.bytes_per_second + 0.2 * rate;
	s->tick.bytes_per_second = rate;
	s->tick.last_ms = now_ms;
	s->tick.last_bytes = now_bytes;
}

/* A fast fill does not use up what the kernel's log takes of us. */
static void say_progress(struct serve *s, const struct status *st, int64_t now_ms)
{
	unsigned tenths = (unsigned)(st->resident_bytes / (st->image.bytes / 10 + 1));

	if (tenths <= s->tick.tenths_said || tenths >= 10 ||
	    now_ms - s->tick.said_progress_ms < SAY_PROGRESS_MS)
		return;
	s->tick.tenths_said = tenths;
	s->tick.said_progress_ms = now_ms;
	log_notice("fill: %u%% of %" PRIu64 " MiB is resident", tenths * 10,
		   st->image.bytes / MIB);
}

/* The first error is said where it happens. */
static void say_attaching(struct serve *s, const struct status *st, int64_t now_ms)
{
	/* Between two tries, when one is due, nobody is away. */
	if (s->tick.said_away_ms == 0)
		s->tick.said_away_ms = now_ms;
	else if (st->reason[0] && now_ms - s->tick.said_away_ms >= AWAY_LINE_MS) {
		s->tick.said_away_ms = now_ms;
		log_error("attach: waiting for %s", st->reason);
	}
}

/* Every ten seconds, loud enough for a quiet boot: a person may sit before a node that waits. */
static void say_away(struct serve *s, const struct status *st, int64_t now_ms)
{
	if (st->state != STATE_STALLED) {
		if (s->tick.said_away_ms)
			log_notice("server: back: %s", st->state == STATE_STREAMING
							       ? "reads go on"
							       : "the fill goes on");
		s->tick.said_away_ms = 0;
		return;
	}
	if (s->tick.said_away_ms && now_ms - s->tick.said_away_ms < AWAY_LINE_MS)
		return;
	s->tick.said_away_ms = now_ms;
	log_error("waiting for %s", st->reason);
}

void serve_tick(struct serve *s)
{
	static struct status st;
	int64_t now_ms = clock_ms();

	serve_status(s, &st);
	serve_note(s, &st, now_ms);
	record_counters(s, &st);
	if (s->cache)
		say_written(s);
	if (s->engine)
		serve_look_for_boot_end(s);
	if (s->engine && s->state == STATE_FILLING) {
		serve_watch_memory(s);
		measure_rate(s, &st, now_ms);
		say_progress(s, &st, now_ms);
	}
	if (s->state == STATE_ATTACHING)
		say_attaching(s, &st, now_ms);
	if (s->engine && s->state == STATE_STREAMING)
		serve_limit_cache(s);
	if (s->engine && (s->state == STATE_FILLING || s->state == STATE_STREAMING))
		say_away(s, &st, now_ms);
	if (st.state != s->tick.written_state ||
	    now_ms - s->tick.written_ms >= WRITE_STATUS_MS) {
		s->tick.written_state = st.state;
		s->tick.written_ms = now_ms;
		serve_write_status(s);
	}
}
