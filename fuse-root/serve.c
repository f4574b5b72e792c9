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
#include <inttypes.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/rundir.h"
#include "source/source_failover.h"
#include "source/source_net.h"

#define FUSE_THREADS 4u
#define TICK_MS 1000
#define FILL_JITTER_MS 10000u

/* -- told by other threads ---------------------------------------------------------------- */

static void wake_main(struct serve *s)
{
	uint64_t one = 1;

	(void)!write(s->event_fd, &one, sizeof one);
}

static void on_complete(void *ctx)
{
	struct serve *s = ctx;

	/* Here, because it may take long, and the engine has nothing left to do. */
	if (store_is_persistent(s->store) && s->o->read_only &&
	    s->store->ops->persistence->give(s->store) < 0)
		log_error("store %s: cannot be given to the kernel: the daemon goes on "
			  "serving the device",
			  s->store->device);
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

	/* Without a file, in mode full, nobody reads. */
	fusefile_resume(s->file, list);
}

static int64_t on_expire(void *ctx)
{
	struct serve *s = ctx;

	return s->file ? fusefile_expire(s->file) : -1;
}

static void on_read(void *ctx, uint64_t img_off, uint64_t n_bytes, bool missed)
{
	struct serve *s = ctx;

	engine_note_read(s->engine, img_off, n_bytes, missed);
}

static void on_net_misbehaves(void *ctx, uint32_t generation)
{
	struct serve *s = ctx;
	char text[16];

	snprintf(text, sizeof text, "%" PRIu32, generation);
	daemon_tell(s->d->serve_end, KEEPER_RESTART_NET, text);
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
	s->awaits_boot = false;
	serve_record_settings(s);
	/* Who asks for it does not want to wait for other nodes. */
	engine_hold_fill(s->engine, 0);
	serve_pause_fill(s);
	if (paused || !s->is_held)
		return 0;
	snprintf(why, why_bytes, "%s: the fill goes on when there is more",
		 s->held_reason);
	return -EAGAIN;
}

static int control_detach(void *ctx, char *why, size_t why_bytes)
{
	struct serve *s = ctx;
	char loop[LOOP_PATH_BYTES];
	int err;

	/*
	 * Nobody has our device open then, and clearing our own loop device would lose
	 * what is written to the other.
	 */
	if (s->is_attached && attachment_is_below_loop(&s->attachment, loop)) {
		snprintf(why, why_bytes, "the device is in use: below the loop device %s",
			 loop);
		return -EBUSY;
	}
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

/*
 * Many nodes start at the same moment: each lets the others boot for a random time before
 * it fills.  The same at the end of the boot, which they also reach together.
 */
static void hold_fill(struct serve *s)
{
	uint32_t random;

	if (!s->d->is_boot || s->o->mode != MODE_HYBRID)
		return;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
		random = (uint32_t)clock_ns();
	engine_hold_fill(s->engine, random % FILL_JITTER_MS);
}

/* With fill=boot this is what the fill has waited for. */
static void boot_complete(struct serve *s)
{
	if (!s->awaits_boot)
		return;
	log_notice("fill: the boot is complete: %s",
		   s->is_held ? s->held_reason : "starting");
	s->awaits_boot = s->is_paused = false;
	serve_record_settings(s);
	hold_fill(s);
	serve_pause_fill(s);
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
	if (ends) {
		trace_end(s->trace);
		boot_complete(s);
	}
	err = trace_write(s->trace, img_info(s->image.img), s->d->rundir_fd);
	if (err < 0)
		snprintf(why, why_bytes, "cannot write the trace: %s", strerror(-err));
	return err;
}

static const struct control_ops control_ops = {
	.trace = control_trace,
	.report = serve_report,
	.set = serve_set,
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

/*
 * The error in the status is what was logged in this step (log_forget_error), where the
 * facts were known.  Who goes on where another process died says it himself.
 */
static int fail(struct serve *s, int err, const char *what)
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
	return !s->is_leaving && serve_servers_will_do(s);
}

/* The kernel that the image must have modules for; NULL: any.  In a boot only. */
static const char *wanted_kernel(const struct serve *s)
{
	static struct utsname host;

	if (!s->d->is_boot || s->o->kernel_check == CHECK_WARN ||
	    s->o->kernel_check == CHECK_OFF || uname(&host) < 0)
		return NULL;
	return host.release;
}

struct openimage_trust serve_trust(const struct serve *s)
{
	struct openimage_trust trust = {
		.has_digest = s->o->has_digest,
		.public_key = s->d->public_key,
		.public_key_bytes = s->d->public_key_bytes,
		.min_version = s->o->min_version,
		.kernel = wanted_kernel(s),
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
	char why[256] = "", digest[IMG_HEX_BYTES];
	int err;

	if (s->o->mode == MODE_FULL)
		source_allow_sequential(s->source);
	err = openimage_open(&config, &s->image, why, sizeof why);
	if (err == -ECANCELED)
		return s->error[0] ? fail(s, -EOPNOTSUPP, "servers") : err;
	if (err < 0) {
		snprintf(s->error, sizeof s->error, "image: %s", why);
		log_error("image: not attached: %s", s->error + strlen("image: "));
		return fail(s, err, "image");
	}
	img_digest_hex(img_info(s->image.img)->digest, digest);
	log_debug("image: sha256:%s, %" PRIu64 " chunks", digest,
		  img_info(s->image.img)->n_chunks);
	if (!s->o->has_digest && !s->d->public_key)
		serve_keep_warning(s, "image: not authenticated: anybody who can answer "
				      "for the server can replace it: set digest= or "
				      "public-key=");
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
	int err = serve_open_store(s);

	if (err < 0)
		return fail(s, err, "store");
	log_debug("store: %s %s", s->store->ops->kind, s->store->device);
	return 0;
}

static int open_cache(struct serve *s)
{
	const struct img_info *info = img_info(s->image.img);
	const struct cache_config config = {
		.inner = s->store,
		.cm = s->cm,
		.image_bytes = info->image_bytes,
		.chunk_bytes = info->chunk_bytes,
		.budget_bytes = serve_budget(s),
	};

	return cache_new(&config, &s->cache);
}

/*
 * Whoever pinned the image by its digest alone has said nothing that a pack could be held
 * against.
 */
static struct hot_config pack_config(const struct serve *s)
{
	if (!s->o->pack[0])
		return (struct hot_config){0};
	if (s->o->has_digest && !s->d->public_key) {
		log_warning(
			"hot pack beside the image: not used: digest= does not cover it: "
			"sign it and give public-key=");
		return (struct hot_config){0};
	}
	return (struct hot_config){true, s->d->public_key, s->d->public_key_bytes};
}

int serve_make_parts(struct serve *s)
{
	const struct img_info *info = img_info(s->image.img);
	struct engine_config engine = {
		.img = s->image.img,
		.source = s->source,
		.n_workers = n_workers(),
		.rate_bytes = s->o->rate_bytes,
		.fill = s->o->mode != MODE_STREAM,
		.in_order = s->o->mode == MODE_FULL,
		.hot = pack_config(s),
		.resume = on_resume,
		.expire =
			s->o->io_timeout_ms || s->d->mounting_fd >= 0 ? on_expire : NULL,
		.complete = on_complete,
		.ctx = s,
	};
	struct recheck_config recheck = {
		.store = s->store,
		.image_bytes = info->image_bytes,
		.chunk_bytes = info->chunk_bytes,
		.n_threads = SERVE_RECHECK_THREADS,
		.resume = on_resume,
		.ctx = s,
	};
	void *map_memory = NULL, *trace_memory = NULL;
	int err = region_area(s->d->region, REGION_CHUNKMAP,
			      chunkmap_memory_bytes(info->image_bytes, info->chunk_bytes),
			      &map_memory);

	if (err == 0)
		err = region_area(s->d->region, REGION_TRACE,
				  trace_memory_bytes(info->image_bytes), &trace_memory);
	if (err == 0)
		err = chunkmap_new_in(map_memory, info->image_bytes, info->chunk_bytes,
				      on_wanted, s, &s->cm);
	if (err == 0)
		err = open_cache(s);
	if (err == 0)
		err = trace_new_in(trace_memory, info->image_bytes, &s->trace);
	recheck.cm = s->cm;
	if (err == 0)
		err = recheck_new(&recheck, &s->recheck);
	if (err < 0)
		return fail(s, err, "engine");
	timeline_set_image(s->d->timeline, info->image_bytes);
	engine.cm = s->cm;
	engine.store = cache_store(s->cache);
	err = engine_new(&engine, s->image.first, s->image.n_first, &s->engine);
	return err < 0 ? fail(s, err, "engine") : 0;
}

/*
 * attach-timeout leads to a mounted root, not only to a device: a mount that waits for a
 * server which is gone has to fail, so that the initramfs can try the fallback.
 */
static int64_t mount_deadline_ms(const struct serve *s)
{
	/* What began in mode full was limited from the last byte on. */
	const int64_t from_ms = s->full.since_ms ? s->full.since_ms : s->d->start_ms;

	return s->d->mounting_fd < 0 ? 0 : from_ms + s->o->attach_timeout_ms;
}

static bool is_mounting(void *ctx)
{
	const struct serve *s = ctx;

	return !rundir_is_removed(s->d->mounting_fd);
}

int serve_make_file(struct serve *s)
{
	struct fusefile_config config = {
		.n_bytes = img_info(s->image.img)->image_bytes,
		.read_only = s->o->read_only,
		.n_threads = FUSE_THREADS,
		.cm = s->cm,
		.store = cache_store(s->cache),
		.n_workers = n_workers(),
		.trace = s->trace,
		.timeline = s->d->timeline,
		.hold = s->d->hold,
		.io_timeout_ms = s->o->io_timeout_ms,
		.deadline_ms = mount_deadline_ms(s),
		.deadline_counts = is_mounting,
		.noted = on_read,
		.ended = on_fuse_ended,
		.ctx = s,
	};
	int err = region_area(s->d->region, REGION_UNDERWAY,
			      fusefile_memory_bytes(FUSE_THREADS), &config.memory);

	if (err == 0)
		err = fusefile_new(&config, &s->file);
	return err < 0 ? fail(s, err, "fuse") : 0;
}

int serve_start_engine(struct serve *s)
{
	int err;

	serve_pause_fill(s);
	err = cache_start(s->cache);
	if (err == 0)
		err = engine_start(s->engine);
	if (err == 0)
		err = recheck_start(s->recheck);
	return err < 0 ? fail(s, err, "engine") : 0;
}

static int start_engine(struct serve *s)
{
	/* All of it first: there is nothing else to do than to fill. */
	s->is_paused = s->o->mode != MODE_FULL && s->o->fill != FILL_NOW;
	s->awaits_boot = s->o->mode != MODE_FULL && s->o->fill == FILL_BOOT;
	hold_fill(s);
	return serve_start_engine(s);
}

struct attachment serve_attachment(const struct serve *s)
{
	return (struct attachment){
		.name = s->o->name,
		.hold = s->d->hold,
		.read_only = s->o->read_only,
		.n_bytes = img_info(s->image.img)->image_bytes,
		.loop = {.fd = -1},
		.dm = {.fd = -1},
	};
}

/* Reads are answered from here on, so that the kernel can look at the device it gets. */
static int expose(struct serve *s)
{
	cleanup_fd int fd = -1;
	int err = fusefile_start(s->file, &fd);

	if (err < 0)
		return fail(s, err, "fuse");
	log_debug("fuse: the file is there");
	s->attachment = serve_attachment(s);
	err = attachment_open(&s->attachment, fd);
	return err < 0 ? fail(s, err, "block device") : 0;
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

/* -- end of the fill ---------------------------------------------------------------------- */

/* Nothing is fetched any more: let the network side go. */
static void end_fetching(struct serve *s)
{
	engine_stop(s->engine);
	daemon_tell(s->d->serve_end, KEEPER_NET_DONE, "");
}

/* A file to wait for, by units of the root that know nothing of hydroot. */
static void mark_resident(const struct serve *s)
{
	int err = rundir_write(s->d->rundir_fd, "resident", "");

	if (err < 0)
		log_warning("/run/hydroot/%s/resident: %s", s->o->name, strerror(-err));
}

void serve_finish_handover(struct serve *s, enum handover_method method)
{
	s->record->method = method;
	s->record->is_swapped = true;
	handover_finish(&s->attachment, method);
	s->handover_method = method;
	s->handover_done = true;
}

/* Everything is there, so the network is not needed any more, but the daemon is. */
static void stay(struct serve *s)
{
	serve_write_status(s);
	mark_resident(s);
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
	s->state = store_is_persistent(s->store) ? STATE_CACHED : STATE_RESIDENT;
	if (method == HANDOVER_NONE) {
		log_notice("%s after %.1f s; the daemon goes on serving the device",
			   attach_state_name(s->state), s->seconds_resident);
		stay(s);
		return;
	}
	s->record->method = method;
	if (store_is_persistent(s->store))
		serve_release_claim(s);
	err = handover_run(&s->attachment, s->store, method);
	if (err < 0) {
		snprintf(s->error, sizeof s->error, "handover: %s", strerror(-err));
		log_error("handover by %s: %s: the daemon goes on serving the device",
			  handover_method_name(method), strerror(-err));
		stay(s);
		return;
	}
	serve_finish_handover(s, method);
	log_notice("%s after %.1f s; handed over by %s in %.1f ms: "
		   "server and daemon are not needed any more",
		   attach_state_name(s->state), s->seconds_resident,
		   handover_method_name(method), (double)(clock_ns() - start_ns) / 1e6);
}

static int next_tick_ms(const struct serve *s)
{
	int64_t due_ms = timeline_due_ms(s->d->timeline, clock_ms());

	return due_ms < TICK_MS ? (int)due_ms : TICK_MS;
}

/* -- mode full --------------------------------------------------------------------------- */

/* Everything is in the store: the store's device is all there is. */
static int deliver(struct serve *s)
{
	int err;

	log_forget_error();
	s->seconds_resident = serve_seconds(s);
	end_fetching(s);
	if (store_is_persistent(s->store))
		serve_release_claim(s);
	s->attachment = serve_attachment(s);
	err = attachment_open_store(&s->attachment, s->store);
	if (err < 0)
		return fail(s, err, "block device");
	s->state = store_is_persistent(s->store) ? STATE_CACHED : STATE_RESIDENT;
	s->handover_method = s->attachment.has_dm ? HANDOVER_DM : HANDOVER_PLAIN;
	s->handover_done = true;
	/* For a process after this one only the end is left. */
	s->record->seconds_resident = s->seconds_resident;
	s->record->method = s->handover_method;
	s->record->is_swapped = true;
	log_notice("%s after %.1f s: server and daemon are not needed any more",
		   attach_state_name(s->state), s->seconds_resident);
	become_ready(s);
	return 0;
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
			return fail(s, -ETIMEDOUT, "full");
		wait_for_events(s, next_tick_ms(s));
	}
	return attach(s);
}

/* -- main loop ---------------------------------------------------------------------------- */

static void run(struct serve *s)
{
	while (!s->is_leaving && !s->handover_done) {
		if (s->state == STATE_FILLING && atomic_load(&s->is_complete) &&
		    chunkmap_is_complete(s->cm))
			hand_over(s);
		serve_tick(s);
		if (s->handover_done)
			break;
		wait_for_events(s, next_tick_ms(s));
		if (atomic_load(&s->fuse_ended) && !s->is_leaving) {
			log_forget_error();
			log_error("fuse: the kernel has ended the connection: the device "
				  "is lost");
			fail(s, -EIO, "fuse");
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
	/* Behind the FUSE threads, which may wait for a check. */
	recheck_stop(s->recheck);
	if (s->handover_done || s->state == STATE_FAILED)
		serve_write_status(s);
	if (s->handover_done)
		mark_resident(s);
	/* Nobody can be asked for it any more. */
	if (s->handover_done || s->state == STATE_FAILED)
		(void)!serve_write_report(s);
	if (s->handover_done && s->trace)
		(void)!trace_write(s->trace, img_info(s->image.img), s->d->rundir_fd);
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

static int preflight_memory(struct serve *s)
{
	int err = serve_preflight(s);

	return err < 0 ? fail(s, err, "memory") : 0;
}

static int start(struct serve *s)
{
	static const struct {
		int (*run)(struct serve *s);
		const char *what;
	} steps[] = {
		{serve_open_control, "control socket"},
		{serve_open_source, "servers"},
		{open_image, "image"},
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
