/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_resume.c - a serving process that goes on where another one died
 *
 * Everything comes from the keeper: descriptors (base/hold.h) and memory (base/region.h).
 * No path is opened, no server is asked before the requests that wait can be answered.
 */
#include "serve.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"

void serve_record_ready(struct serve *s)
{
	struct serve_record *r = s->record;

	r->has_dm = s->attachment.has_dm;
	r->loop = s->attachment.loop;
	r->dm = s->attachment.dm;
	r->seconds_ready = s->seconds_ready;
	serve_record_settings(s);
	serve_record_warnings(s);
	region_order();
	r->is_ready = true;
}

static void record_servers(struct serve *s)
{
	const uint64_t at = !s->record->servers_at;
	struct serve_servers *servers = &s->record->servers[at];

	servers->n = s->o->n_servers;
	memcpy(servers->urls, s->o->servers, sizeof servers->urls);
	region_order();
	s->record->servers_at = at;
}

/*
 * The source begins with the keeper's list, which the network process has, too; what is
 * another one since has to be told to it.
 */
static void take_servers(struct serve *s)
{
	const struct serve_servers *servers =
		&s->record->servers[s->record->servers_at & 1];
	struct options *o = &s->d->options;
	const unsigned n = (unsigned)min_u64(servers->n, OPTIONS_SERVERS_MAX);

	if (n == 0 || (n == o->n_servers &&
		       memcmp(servers->urls, o->servers, sizeof o->servers) == 0))
		return;
	memcpy(o->servers, servers->urls, sizeof o->servers);
	o->n_servers = n;
	serve_use_servers(s, o);
}

void serve_record_settings(struct serve *s)
{
	record_servers(s);
	s->record->settings = (struct serve_settings){
		.mode = s->o->mode,
		.cache_bytes = s->o->cache_bytes,
		.reserve_bytes = s->o->reserve_bytes,
		.rate_bytes = s->o->rate_bytes,
		.is_paused = s->is_paused,
		.awaits_boot = s->awaits_boot,
	};
}

void serve_record_warnings(struct serve *s)
{
	memcpy(s->record->warnings, s->o->warnings, sizeof s->record->warnings);
	region_order();
	s->record->n_warnings = s->o->n_warnings;
}

/* The keeper has the options as they were at the start. */
static void take_settings(struct serve *s)
{
	const struct serve_settings *settings = &s->record->settings;
	struct options *o = &s->d->options;

	o->mode = (enum option_mode)settings->mode;
	o->cache_bytes = settings->cache_bytes;
	o->reserve_bytes = settings->reserve_bytes;
	o->rate_bytes = settings->rate_bytes;
	s->is_paused = settings->is_paused;
	s->awaits_boot = settings->awaits_boot;
	o->n_warnings = (unsigned)s->record->n_warnings;
	memcpy(o->warnings, s->record->warnings, sizeof o->warnings);
	serve_forget_hold(s);
}

static int give_up(int err, const char *what)
{
	log_error("serving process: cannot take over: %s: %s", what, strerror(-err));
	return err;
}

static int take_image(struct serve *s)
{
	const struct openimage_trust trust = serve_trust(s);
	char why[200] = "";
	int err = openimage_again(s->d->region, &trust, &s->image, why, sizeof why);

	if (err < 0) {
		log_error("image: %s", why);
		return give_up(err, "image");
	}
	source_pin(s->source, img_info(s->image.img)->file_bytes,
		   img_info(s->image.img)->digest);
	return 0;
}

static int take_store(struct serve *s)
{
	int err = serve_take_store(s);

	return err < 0 ? give_up(err, "store") : 0;
}

static void take_attachment(struct serve *s)
{
	const struct serve_record *r = s->record;
	struct chunkmap_counts counts;

	s->attachment = serve_attachment(s);
	s->attachment.has_dm = r->has_dm;
	s->attachment.loop = r->loop;
	s->attachment.dm = r->dm;
	s->attachment.loop.fd = hold_take(s->d->hold, HOLD_LOOP);
	s->is_attached = true;
	s->seconds_ready = r->seconds_ready;
	s->before = r->counters;
	chunkmap_counts(s->cm, &counts);
	serve_begin_rate(s);
	s->tick.tenths_said =
		(unsigned)(counts.ready_bytes / (s->attachment.n_bytes / 10 + 1));
	s->state = s->o->mode == MODE_STREAM ? STATE_STREAMING : STATE_FILLING;
}

/* The dead process had done the last thing that counts, and was only to let go. */
static bool finish_handover(struct serve *s)
{
	enum handover_method method = (enum handover_method)s->record->method;

	if (!s->record->is_swapped && !handover_has_run(&s->attachment, method))
		return false;
	handover_adopt(&s->attachment, s->store);
	s->state = store_is_persistent(s->store) ? STATE_CACHED : STATE_RESIDENT;
	s->seconds_resident = s->record->seconds_resident;
	serve_finish_handover(s, method);
	log_notice("serving process: the handover by %s is finished",
		   handover_method_name(method));
	return true;
}

static bool finish_detach(struct serve *s)
{
	if (!s->record->is_leaving || attachment_close(&s->attachment) < 0)
		return false;
	s->is_attached = false;
	s->is_leaving = true;
	return true;
}

/*
 * Reads that waited for a chunk do so again, so who fetches has to run first; and who
 * makes room and who checks what a disk has, for writes.
 */
static int take_requests(struct serve *s)
{
	int64_t start_ms = clock_ms();
	unsigned n = 0;
	int err = serve_make_file(s);

	if (err == 0)
		err = serve_start_engine(s);
	if (err < 0)
		return give_up(err, s->error);
	err = fusefile_take_over(s->file, &n);
	if (err < 0)
		return give_up(err, "fuse");
	log_notice(
		"serving process: took over: %u requests were under way, answered or set "
		"aside in %lld ms",
		n, (long long)(clock_ms() - start_ms));
	return 0;
}

int serve_resume(struct serve *s)
{
	int err = s->record->is_ready ? 0 : give_up(-ENODATA, "record");

	if (err == 0) {
		take_settings(s);
		err = serve_open_control(s);
	}
	if (err == 0)
		err = serve_open_source(s);
	if (err == 0) {
		take_servers(s);
		err = take_image(s);
	}
	if (err == 0)
		err = take_store(s);
	if (err == 0)
		err = serve_make_parts(s);
	if (err < 0)
		return s->error[0] ? give_up(err, s->error) : err;
	take_attachment(s);
	if (finish_handover(s) || finish_detach(s))
		return 0;
	return take_requests(s);
}
