/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.c - the serving process: start order, main loop, stop order
 *
 * The main thread owns the control socket, the status and the block devices.  It takes no part in
 * answering reads, so it may wait for an ioctl that needs them answered.
 */
#include "serve.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/rundir.h"

#define TICK_MS 1000

/* -- start -------------------------------------------------------------------------------- */

/*
 * The error in the status is what was logged in this step (log_forget_error), where the
 * facts were known.  Who goes on where another process died says it himself.
 */
int serve_fail(struct serve *s, int err, const char *what)
{
	if (!s->error[0] && !log_last_error()[0] && !s->d->n_serve_deaths)
		log_error("%s: %s", what, strerror(-err));
	if (!s->error[0] && log_last_error()[0])
		snprintf(s->error, sizeof s->error, "%.*s", (int)sizeof s->error - 1,
			 log_last_error());
	else if (!s->error[0])
		snprintf(s->error, sizeof s->error, "%s: %s", what, strerror(-err));
	s->state = STATE_FAILED;
	return err;
}

static int open_store(struct serve *s)
{
	int err = serve_open_store(s);

	if (err < 0)
		return serve_fail(s, err, "store");
	log_debug("store: %s %s", s->store->ops->kind, s->store->device);
	return 0;
}

static int preflight_memory(struct serve *s)
{
	int err = serve_preflight(s);

	return err < 0 ? serve_fail(s, err, "memory") : 0;
}

static int start_engine(struct serve *s)
{
	/* All of it first: there is nothing else to do than to fill. */
	s->is_paused = s->o->mode != MODE_FULL && s->o->fill != FILL_NOW;
	s->awaits_boot = s->o->mode != MODE_FULL && s->o->fill == FILL_BOOT;
	serve_hold_fill(s);
	return serve_start_engine(s);
}

/* Reads are answered from here on, so that the kernel can look at the device it gets. */
static int expose(struct serve *s)
{
	cleanup_fd int fd = -1;
	int err = fusefile_start(s->file, &fd);

	if (err < 0)
		return serve_fail(s, err, "fuse");
	log_debug("fuse: the file is there");
	s->attachment = serve_attachment(s);
	err = attachment_open(&s->attachment, fd);
	return err < 0 ? serve_fail(s, err, "block device") : 0;
}

static void become_ready(struct serve *s)
{
	char device[80];

	log_debug("block device: %s", attachment_device(&s->attachment)->path);
	s->is_attached = true;
	s->seconds_ready = serve_seconds(s);
	serve_record_ready(s);
	snprintf(device, sizeof device, "/dev/hydroot/%s", s->o->name);
	log_notice("%s: ready after %.1f s", device, s->seconds_ready);
	serve_write_status(s);
	daemon_tell(s->d->serve_end, KEEPER_READY, device);
	daemon_leave_terminal(s->d);
}

/* Mode hybrid and stream: a device now, and what it lacks later. */
static int attach(struct serve *s)
{
	int err;

	log_forget_error();
	err = serve_make_file(s);

	if (err == 0)
		err = expose(s);
	if (err == 0)
		become_ready(s);
	return err;
}

static int next_tick_ms(const struct serve *s)
{
	int64_t due_ms = timeline_due_ms(s->d->timeline, clock_ms());

	return due_ms < TICK_MS ? (int)due_ms : TICK_MS;
}

/* -- mode full --------------------------------------------------------------------------- */

static int deliver(struct serve *s)
{
	int err = serve_deliver(s);

	if (err == 0)
		become_ready(s);
	return err;
}

/*
 * Until all is there; or until what is there has to do, when memory runs low.  A store
 * that is no block device is served by the daemon, as in mode hybrid.
 */
static int copy_all(struct serve *s)
{
	while (s->o->mode == MODE_FULL) {
		if (s->is_leaving)
			return -ECANCELED;
		if (atomic_load(&s->is_complete) && serve_can_be_left(s))
			return deliver(s);
		if (atomic_load(&s->is_complete))
			break;
		serve_tick(s);
		if (!serve_full_goes_on(s))
			return serve_fail(s, -ETIMEDOUT, "full");
		serve_wait_for_events(s, next_tick_ms(s));
	}
	return attach(s);
}

/* -- main loop ---------------------------------------------------------------------------- */

static void run(struct serve *s)
{
	while (!s->is_leaving && !s->handover_done) {
		if (s->state == STATE_FILLING && atomic_load(&s->is_complete) &&
		    chunkmap_is_complete(s->cm))
			serve_hand_over(s);
		serve_tick(s);
		if (s->handover_done)
			break;
		serve_wait_for_events(s, next_tick_ms(s));
		if (atomic_load(&s->fuse_ended) && !s->is_leaving) {
			log_forget_error();
			log_error("fuse: the kernel has ended the connection: the device "
				  "is lost");
			serve_fail(s, -EIO, "fuse");
			break;
		}
	}
}

/* -- stop --------------------------------------------------------------------------------- */

static void leave_trace(struct serve *s)
{
	trace_end(s->trace, TRACE_HANDOVER);
	(void)!trace_write(s->trace, img_info(s->image.img), s->d->rundir_fd);
}

static void stop(struct serve *s)
{
	control_close(s->control);
	if (s->engine)
		engine_stop(s->engine);
	if (s->file)
		fusefile_stop(s->file);
	/* Behind the FUSE threads, which may wait for a check. */
	recheck_stop(s->recheck);
	/* Before the status that says why it ended. */
	if (s->handover_done && s->trace)
		leave_trace(s);
	if (s->handover_done || s->state == STATE_FAILED)
		serve_write_status(s);
	if (s->handover_done)
		serve_say_resident(s);
	/* Nobody can be asked for it any more. */
	if (s->handover_done || s->state == STATE_FAILED)
		(void)!serve_write_report(s);
	/* All is said and done: no other process is to go on where this one ends. */
	hold_end(s->d->hold);
	engine_free(s->engine);
	recheck_free(s->recheck);
	fusefile_free(s->file);
	trace_free(s->trace);
	cache_free(s->cache);
	chunkmap_free(s->cm);
	if (s->store && s->handover_done)
		store_leave(s->store);
	store_free(s->store);
	openimage_close(&s->image);
	source_free(s->source);
	close(s->event_fd);
	/* Last: who detaches takes it for the sign that all memory is free. */
	region_free(s->d->region);
	if (s->is_leaving)
		(void)!rundir_remove(s->o->name);
}

static int start(struct serve *s)
{
	static const struct {
		int (*run)(struct serve *s);
		const char *what;
	} steps[] = {
		{serve_open_control, "control socket"},
		{serve_open_source, "servers"},
		{serve_open_image, "image"},
		{preflight_memory, "memory"},
		{open_store, "store"},
		{serve_make_parts, "chunk map and engine"},
		{start_engine, "threads"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int err;

		log_debug("start: %s", steps[i].what);
		log_forget_error();
		err = steps[i].run(s);
		if (err < 0)
			return err;
	}
	s->state = s->o->mode == MODE_STREAM ? STATE_STREAMING : STATE_FILLING;
	serve_begin_rate(s);
	return s->o->mode == MODE_FULL ? copy_all(s) : attach(s);
}

static int open_record(struct serve *s)
{
	void *memory;
	int err = region_area(s->d->region, REGION_SERVE, sizeof *s->record, &memory);

	if (err < 0) {
		log_error("serving process: memory that outlives it: %s", strerror(-err));
		return err;
	}
	s->record = memory;
	return 0;
}

int serve_run(struct daemon *d)
{
	struct serve *s = calloc(1, sizeof *s);
	int status;

	if (!s) {
		log_error("serving process: out of memory");
		return 1;
	}
	s->d = d;
	s->o = &d->options;
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->seconds_ready = s->seconds_resident = -1;
	atomic_init(&s->is_complete, false);
	atomic_init(&s->fuse_ended, false);
	timeline_start(d->timeline, clock_ms());
	process_ignore_signals();
	process_check_kernel_limits();
	if (s->event_fd < 0) {
		log_error("serving process: eventfd: %s", strerror(errno));
		return 1;
	}
	if (open_record(s) < 0)
		return 1;
	if (d->n_serve_deaths) {
		/* Nothing is tidied up: the next one is to find it as it is. */
		if (serve_resume(s) < 0)
			return SERVE_AGAIN;
		run(s);
	} else if (start(s) == 0) {
		run(s);
	}
	status = s->state == STATE_FAILED ? 1 : 0;
	if (status && s->no_fallback && d->is_boot)
		status = DAEMON_NO_FALLBACK;
	stop(s);
	free(s);
	return status;
}
