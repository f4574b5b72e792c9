/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_resume.c - a serving process that goes on where another one died
 *
 * Everything comes from the keeper: descriptors (base/hold.h) and memory (base/region.h).  No path is
 * opened, no server is asked before the requests that wait can be answered.
 */
#include "serve.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store_mem.h"
#include "store/store_zram.h"

void serve_record_ready(struct serve *s)
{
	struct serve_record *r = s->record;

	r->has_dm = s->attachment.has_dm;
	r->loop = s->attachment.loop;
	r->dm = s->attachment.dm;
	r->is_paused = s->is_paused;
	r->seconds_ready = s->seconds_ready;
	region_order();
	r->is_ready = true;
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
	uint64_t n_bytes = img_info(s->image.img)->image_bytes;
	uint64_t limit_bytes = s->o->store_limit_bytes;
	int err;

	if (strcmp(s->o->store, "memory") == 0)
		err = store_mem_adopt(s->d->hold, n_bytes, limit_bytes, &s->store);
	else
		err = store_zram_adopt(s->d->hold, n_bytes, limit_bytes,
				       serve_n_store_threads(), &s->store);
	return err < 0 ? give_up(err, "store") : 0;
}

static void take_attachment(struct serve *s)
{
	const struct serve_record *r = s->record;

	s->attachment = (struct attachment){
		.name = s->o->name,
		.hold = s->d->hold,
		.read_only = s->o->read_only,
		.has_dm = r->has_dm,
		.n_bytes = img_info(s->image.img)->image_bytes,
		.loop = r->loop,
		.dm = r->dm,
	};
	s->attachment.loop.fd = hold_take(s->d->hold, HOLD_LOOP);
	s->is_attached = true;
	s->seconds_ready = r->seconds_ready;
	s->is_paused = r->is_paused;
	s->before = r->counters;
	s->tick.last_ms = clock_ms();
	s->state = STATE_FILLING;
}

/* The dead process had done the last thing that counts, and was only to let go. */
static bool finish_handover(struct serve *s)
{
	enum handover_method method = handover_choose(&s->attachment, s->store);

	if (!s->record->is_swapped && !handover_has_run(&s->attachment, s->store, method))
		return false;
	s->state = STATE_RESIDENT;
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

/* Reads that waited for a chunk do so again, so who fetches has to run first. */
static int take_requests(struct serve *s)
{
	int64_t start_ms = clock_ms();
	unsigned n = 0;
	int err;

	engine_pause(s->engine, s->is_paused);
	err = engine_start(s->engine);
	if (err < 0)
		return give_up(err, "engine");
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

	if (err == 0)
		err = serve_open_control(s);
	if (err == 0)
		err = serve_open_source(s);
	if (err == 0)
		err = take_image(s);
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
