/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.c - the serving process: start order, main loop, stop order
 *
 * The main thread owns the control socket, the status and the block devices.  It takes no part in
 * answering reads, so it may wait for an ioctl that needs them answered.
 */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/rundir.h"
#include "source/source_failover.h"
#include "source/source_net.h"
#include "store/store_mem.h"
#include "store/store_zram.h"

#define FUSE_THREADS 4u
#define TICK_MS 1000

/* -- told by other threads ---------------------------------------------------------------- */

static void wake_main(struct serve *s)
{
	uint64_t one = 1;

	(void)!write(s->event_fd, &one, sizeof one);
}

static void on_complete(void *ctx)
{
	struct serve *s = ctx;

	atomic_store(&s->is_complete, true);
	wake_main(s);
}

static void on_fuse_ended(void *ctx)
{
	struct serve *s = ctx;

	atomic_store(&s->fuse_ended, true);
	wake_main(s);
}

static void on_wanted(void *ctx)
{
	struct serve *s = ctx;

	source_wake(s->source);
}

static void on_resume(void *ctx, struct chunk_waiter *list)
{
	struct serve *s = ctx;

	fusefile_resume(s->file, list);
}

static void on_net_misbehaves(void *ctx)
{
	struct serve *s = ctx;

	daemon_tell(s->d->serve_end, KEEPER_RESTART_NET, "");
}

/* -- control ------------------------------------------------------------------------------ */

static void control_status(void *ctx, struct status *ret)
{
	serve_status(ctx, ret);
}

static int control_pause(void *ctx, bool paused, char *why, size_t why_bytes)
{
	struct serve *s = ctx;

	if (s->state != STATE_FILLING) {
		snprintf(why, why_bytes, "there is no fill to pause or resume: %s",
			 attach_state_name(s->state));
		return -EINVAL;
	}
	s->is_paused = paused;
	s->record->is_paused = paused;
	engine_pause(s->engine, paused);
	return 0;
}

static int control_detach(void *ctx, char *why, size_t why_bytes)
{
	struct serve *s = ctx;
	int err;

	s->record->is_leaving = true;
	err = s->is_attached ? attachment_close(&s->attachment) : 0;
	if (err < 0) {
		s->record->is_leaving = false;
		snprintf(why, why_bytes, "the device is in use: %s", strerror(-err));
		return err;
	}
	s->is_attached = false;
	s->is_leaving = true;
	return 0;
}

/* The text can be longer than a packet may be, so it goes into the run directory. */
static int control_trace(void *ctx, bool ends, char *why, size_t why_bytes)
{
	struct serve *s = ctx;
	int err;

	if (!s->trace) {
		snprintf(why, why_bytes, "nothing has been read yet");
		return -EAGAIN;
	}
	if (ends)
		trace_end(s->trace);
	err = trace_write(s->trace, img_info(s->image.img), s->d->rundir_fd);
	if (err < 0)
		snprintf(why, why_bytes, "cannot write the trace: %s", strerror(-err));
	return err;
}

static const struct control_ops control_ops = {
	.trace = control_trace,
	.status = control_status,
	.pause = control_pause,
	.detach = control_detach,
};

static void hear_keeper(struct serve *s)
{
	struct keeper_msg msg;
	char why[128];

	while (daemon_hear(s->d->serve_end, &msg))
		if (msg.kind == KEEPER_TERMINATE &&
		    control_detach(s, why, sizeof why) < 0)
			log_warning("asked to end, but %s", why);
}

static void wait_for_events(struct serve *s, int timeout_ms)
{
	struct pollfd fds[2 + CONTROL_POLLFDS] = {
		{.fd = s->event_fd, .events = POLLIN},
		{.fd = s->d->serve_end, .events = POLLIN},
	};
	unsigned n = control_pollfds(s->control, fds + 2);
	uint64_t count;

	if (poll(fds, 2 + n, timeout_ms) <= 0)
		return;
	(void)!read(s->event_fd, &count, sizeof count);
	hear_keeper(s);
	/* The keeper has gone: go on without it, but do not poll its end for ever. */
	if (fds[1].revents & (POLLHUP | POLLERR))
		usleep(100000);
	control_handle(s->control, fds + 2, n);
}

/* -- start -------------------------------------------------------------------------------- */

static int fail(struct serve *s, int err, const char *what)
{
	if (!s->error[0])
		snprintf(s->error, sizeof s->error, "%s: %s", what, strerror(-err));
	s->state = STATE_FAILED;
	return err;
}

int serve_open_control(struct serve *s)
{
	int fd = hold_take(s->d->hold, HOLD_CONTROL);
	int err = -EBADF;

	if (fd >= 0)
		err = control_open_on(fd, s->d->rundir_fd, &control_ops, s, &s->control);
	return err < 0 ? fail(s, err, "control socket") : 0;
}

int serve_open_source(struct serve *s)
{
	static const struct source_net_ops ops = {.restart = on_net_misbehaves};
	struct transport *transport = NULL;
	int err = source_net_new(s->d->channel, &ops, s, &transport);

	if (err < 0)
		return fail(s, err, "network");
	err = source_failover_new(s->o, transport, NULL, &s->source);
	if (err < 0) {
		transport->ops->free(transport);
		return fail(s, err, "servers");
	}
	return 0;
}

/* The image may be long in coming: who asks meanwhile gets an answer. */
static bool on_idle(void *ctx)
{
	struct serve *s = ctx;

	serve_tick(s);
	wait_for_events(s, 0);
	return !s->is_leaving;
}

struct openimage_trust serve_trust(const struct serve *s)
{
	struct openimage_trust trust = {
		.has_digest = s->o->has_digest,
		.public_key = s->d->public_key,
		.public_key_bytes = s->d->public_key_bytes,
		.min_version = s->o->min_version,
	};

	memcpy(trust.digest, s->o->digest, sizeof trust.digest);
	return trust;
}

static int open_image(struct serve *s)
{
	struct openimage_config config = {
		.source = s->source,
		.n_servers = s->o->n_servers,
		.trust = serve_trust(s),
		.region = s->d->region,
		.deadline_ms = s->d->start_ms + s->o->attach_timeout_ms,
		.idle = on_idle,
		.ctx = s,
	};
	char why[200] = "";
	int err;

	err = openimage_open(&config, &s->image, why, sizeof why);
	if (err == -ECANCELED)
		return err;
	if (err < 0) {
		snprintf(s->error, sizeof s->error, "image: %s", why);
		log_error("image: not attached: %s", why);
		return fail(s, err, "image");
	}
	return 0;
}

static unsigned n_workers(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 2 ? 2 : n > 4 ? 4 : (unsigned)n;
}

unsigned serve_n_store_threads(void)
{
	return FUSE_THREADS + n_workers();
}

static int open_store(struct serve *s)
{
	uint64_t n_bytes = img_info(s->image.img)->image_bytes;
	int err;

	if (strcmp(s->o->store, "memory") == 0)
		err = store_mem_new(n_bytes, s->o->store_limit_bytes, &s->store);
	else
		err = store_zram_new(n_bytes, s->o->zram_algorithm,
				     s->o->store_limit_bytes, serve_n_store_threads(),
				     &s->store);
	if (err < 0)
		return fail(s, err, "store");
	if (strcmp(s->o->store, "memory") == 0)
		store_mem_hold(s->store, s->d->hold);
	else
		store_zram_hold(s->store, s->d->hold);
	return 0;
}

/* Memory that another process will find again. */
struct areas {
	void *chunkmap, *trace, *underway;
};

static int map_areas(struct serve *s, struct areas *ret)
{
	const struct img_info *info = img_info(s->image.img);
	struct region *r = s->d->region;
	int err = region_area(r, REGION_CHUNKMAP,
			      chunkmap_memory_bytes(info->image_bytes, info->chunk_bytes),
			      &ret->chunkmap);

	if (err == 0)
		err = region_area(r, REGION_TRACE, trace_memory_bytes(info->image_bytes),
				  &ret->trace);
	if (err == 0)
		err = region_area(r, REGION_UNDERWAY, fusefile_memory_bytes(FUSE_THREADS),
				  &ret->underway);
	return err;
}

int serve_make_parts(struct serve *s)
{
	const struct img_info *info = img_info(s->image.img);
	struct fusefile_config file = {
		.n_bytes = info->image_bytes,
		.read_only = s->o->read_only,
		.n_threads = FUSE_THREADS,
		.hold = s->d->hold,
		.store = s->store,
		.n_workers = n_workers(),
		.ended = on_fuse_ended,
		.ctx = s,
	};
	struct engine_config engine = {
		.img = s->image.img,
		.source = s->source,
		.store = s->store,
		.n_workers = n_workers(),
		.n_servers = s->o->n_servers,
		.rate_bytes = s->o->rate_bytes,
		.fill = true,
		.resume = on_resume,
		.complete = on_complete,
		.ctx = s,
	};
	struct areas areas = {0};
	int err = map_areas(s, &areas);

	if (err == 0)
		err = chunkmap_new_in(areas.chunkmap, info->image_bytes,
				      info->chunk_bytes, on_wanted, s, &s->cm);
	if (err == 0)
		err = trace_new_in(areas.trace, info->image_bytes, &s->trace);
	file.trace = s->trace;
	file.memory = areas.underway;
	file.cm = engine.cm = s->cm;
	if (err == 0)
		err = fusefile_new(&file, &s->file);
	if (err == 0)
		err = engine_new(&engine, s->image.first, s->image.n_first, &s->engine);
	return err < 0 ? fail(s, err, "engine") : 0;
}

/* Reads are answered from here on, so that the kernel can look at the device it gets. */
static int expose(struct serve *s)
{
	cleanup_fd int fd = -1;
	int err;

	s->is_paused = s->o->fill == FILL_MANUAL;
	engine_pause(s->engine, s->is_paused);
	err = engine_start(s->engine);
	if (err < 0)
		return fail(s, err, "engine");
	err = fusefile_start(s->file, &fd);
	if (err < 0)
		return fail(s, err, "fuse");
	s->attachment = (struct attachment){
		.name = s->o->name,
		.hold = s->d->hold,
		.read_only = s->o->read_only,
		.n_bytes = img_info(s->image.img)->image_bytes,
		.loop = {.fd = -1},
		.dm = {.fd = -1},
	};
	err = attachment_open(&s->attachment, fd);
	return err < 0 ? fail(s, err, "block device") : 0;
}

static void become_ready(struct serve *s)
{
	char device[80];

	s->is_attached = true;
	s->state = STATE_FILLING;
	s->seconds_ready = serve_seconds(s);
	s->tick.last_ms = clock_ms();
	serve_record_ready(s);
	snprintf(device, sizeof device, "/dev/hydroot/%s", s->o->name);
	log_notice("%s: ready after %.1f s", device, s->seconds_ready);
	serve_write_status(s);
	daemon_tell(s->d->serve_end, KEEPER_READY, device);
	daemon_leave_terminal(s->d);
}

/* -- end of the fill ---------------------------------------------------------------------- */

/* Nothing is fetched any more: let the network side go. */
static void end_fetching(struct serve *s)
{
	engine_stop(s->engine);
	daemon_tell(s->d->serve_end, KEEPER_NET_DONE, "");
}

void serve_finish_handover(struct serve *s, enum handover_method method)
{
	s->record->is_swapped = true;
	handover_finish(&s->attachment, method);
	s->handover_method = method;
	s->handover_done = true;
}

static void hand_over(struct serve *s)
{
	enum handover_method method = handover_choose(&s->attachment, s->store);
	int64_t start_ns = clock_ns();
	int err;

	if (s->record->seconds_resident <= 0)
		s->record->seconds_resident = serve_seconds(s);
	s->seconds_resident = s->record->seconds_resident;
	end_fetching(s);
	s->state = STATE_RESIDENT;
	if (method == HANDOVER_NONE) {
		log_notice("resident after %.1f s; the daemon goes on serving the device",
			   s->seconds_resident);
		return;
	}
	err = handover_run(&s->attachment, s->store, method);
	if (err < 0) {
		s->handover_failed = true;
		snprintf(s->error, sizeof s->error, "handover: %s", strerror(-err));
		log_error("handover by %s: %s: the daemon goes on serving the device",
			  handover_method_name(method), strerror(-err));
		return;
	}
	serve_finish_handover(s, method);
	log_notice("resident after %.1f s; handed over by %s in %.1f ms: "
		   "server and daemon are not needed any more",
		   s->seconds_resident, handover_method_name(method),
		   (double)(clock_ns() - start_ns) / 1e6);
}

/* -- main loop ---------------------------------------------------------------------------- */

static void run(struct serve *s)
{
	while (!s->is_leaving && !s->handover_done) {
		if (s->state == STATE_FILLING && atomic_load(&s->is_complete))
			hand_over(s);
		serve_tick(s);
		if (s->handover_done)
			break;
		wait_for_events(s, TICK_MS);
		if (atomic_load(&s->fuse_ended) && !s->is_leaving) {
			fail(s, -EIO, "the kernel has ended the FUSE connection");
			log_error("fuse: the kernel has ended the connection: the device "
				  "is lost");
			break;
		}
	}
}

/* -- stop --------------------------------------------------------------------------------- */

static void stop(struct serve *s)
{
	control_close(s->control);
	if (s->engine)
		engine_stop(s->engine);
	if (s->file)
		fusefile_stop(s->file);
	if (s->handover_done || s->state == STATE_FAILED)
		serve_write_status(s);
	/* Nobody can be asked for it any more. */
	if (s->handover_done && s->trace)
		(void)!trace_write(s->trace, img_info(s->image.img), s->d->rundir_fd);
	/* All is said and done: no other process is to go on where this one ends. */
	hold_end(s->d->hold);
	engine_free(s->engine);
	fusefile_free(s->file);
	trace_free(s->trace);
	chunkmap_free(s->cm);
	if (s->store && s->handover_done && s->store->device[0])
		store_zram_leave_device(s->store);
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
	int err = serve_open_control(s);

	if (err == 0)
		err = serve_open_source(s);
	if (err == 0)
		err = open_image(s);
	if (err == 0)
		err = open_store(s);
	if (err == 0)
		err = serve_make_parts(s);
	if (err == 0)
		err = expose(s);
	return err;
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

	if (!s)
		return 1;
	s->d = d;
	s->o = &d->options;
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->seconds_ready = s->seconds_resident = -1;
	atomic_init(&s->is_complete, false);
	atomic_init(&s->fuse_ended, false);
	process_ignore_signals();
	process_check_fuse_timeouts();
	if (open_record(s) < 0)
		return 1;
	if (d->n_serve_deaths) {
		/* Nothing is tidied up: the next one is to find it as it is. */
		if (serve_resume(s) < 0)
			return SERVE_AGAIN;
		run(s);
	} else if (start(s) == 0) {
		become_ready(s);
		run(s);
	}
	status = s->state == STATE_FAILED ? 1 : 0;
	stop(s);
	free(s);
	return status;
}
