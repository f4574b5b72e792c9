/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_report.c - keeps the timeline, and writes it for `hydroot report`
 *
 * The file is one JSON object: {"schema": 1, "clock": "boot" or "attach", "status": {...},
 * "timeline": {...}}; the clock is what seconds count from.
 */
#include "serve.h"

#include <errno.h>

#include "base/clock.h"
#include "base/rundir.h"
#include "face/timeline_json.h"

/* So many chunks are looked at each time, a strip at least: some 20 us of memory. */
#define SURVEY_CHUNKS 65536u
/* So many with one taking of the chunk map's lock. */
#define LOCKED_CHUNKS 4096u

static uint64_t count_ready(struct chunkmap *cm, uint64_t ci, uint64_t end_ci)
{
	uint64_t n_ready = 0;

	for (; ci < end_ci; ci += LOCKED_CHUNKS)
		n_ready += chunkmap_ready_in(
			cm, ci, min_u64(end_ci - ci, (uint64_t)LOCKED_CHUNKS));
	return n_ready;
}

/* Of a small image several strips lie in one chunk.  Returns how many chunks were looked at. */
static uint64_t survey_strip(struct serve *s, unsigned strip)
{
	uint64_t n_chunks = img_info(s->image.img)->n_chunks;
	uint64_t ci = n_chunks * strip / TIMELINE_STRIPS;
	uint64_t end_ci = max_u64(n_chunks * (strip + 1) / TIMELINE_STRIPS, ci + 1);

	timeline_set_resident(s->d->timeline, strip, count_ready(s->cm, ci, end_ci),
			      end_ci - ci);
	return end_ci - ci;
}

/* A large image takes several calls; one where nothing has changed takes none. */
static void survey(struct serve *s, uint64_t n_ready)
{
	uint64_t n_seen = 0;

	if (s->survey.is_whole && s->survey.n_ready == n_ready)
		return;
	while (n_seen < SURVEY_CHUNKS) {
		if (s->survey.strip == 0)
			s->survey.n_ready = n_ready;
		n_seen += survey_strip(s, s->survey.strip);
		s->survey.strip = (s->survey.strip + 1) % TIMELINE_STRIPS;
		s->survey.is_whole = s->survey.strip == 0;
		if (s->survey.is_whole)
			return;
	}
}

void serve_note(struct serve *s, const struct status *st, int64_t now_ms)
{
	struct timeline_counts now = {
		/* Of this process: the timeline has what was before it. */
		.demand_bytes = st->demand_bytes - s->before.demand_bytes,
		.hot_bytes = st->hot_bytes - s->before.hot_bytes,
		.ahead_bytes = st->ahead_bytes - s->before.ahead_bytes,
		.fill_bytes = st->fill_bytes - s->before.fill_bytes,
		.wire_bytes = st->wire_bytes - s->before.wire_bytes,
		.n_requests = st->requests - s->before.requests,
		.n_waiting = st->demand_waiting,
		.waits = st->waits,
	};

	if (s->cm)
		survey(s, st->resident_chunks);
	timeline_note(s->d->timeline, &now, st->state, now_ms);
	if (st->state == STATE_RESIDENT || st->state == STATE_CACHED ||
	    st->state == STATE_FAILED)
		timeline_end(s->d->timeline);
}

int serve_write_report(struct serve *s)
{
	static struct status st; /* large; the main thread's alone */
	const struct timeline *t = s->d->timeline;
	double start_seconds =
		serve_seconds(s) - (double)(clock_ms() - t->start_ms) / 1000;
	cleanup_free char *status = NULL, *timeline = NULL, *text = NULL;
	int err;

	serve_status(s, &st);
	serve_note(s, &st, clock_ms());
	err = status_to_json(&st, &status);
	if (err == 0)
		err = timeline_to_json(t, start_seconds, &timeline);
	if (err < 0)
		return err;
	if (asprintf(&text,
		     "{\"schema\":1,\"clock\":\"%s\",\"status\":%s,\"timeline\":%s}",
		     s->d->is_boot ? "boot" : "attach", status, timeline) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return rundir_write(s->d->rundir_fd, "report", text);
}

int serve_report(void *ctx, char *why, size_t why_bytes)
{
	int err = serve_write_report(ctx);

	if (err < 0)
		snprintf(why, why_bytes, "cannot write the report: %s", strerror(-err));
	return err;
}
