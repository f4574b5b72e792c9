/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_parts.c - source, chunk map, cache, engine and file are made, and connected with each other
 *
 * What other threads call is in front: each notes something or wakes somebody, and returns.
 */
#include "serve.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rundir.h"
#include "source/source_failover.h"
#include "source/source_net.h"

#define FUSE_THREADS 4u

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

int serve_open_source(struct serve *s)
{
	static const struct source_net_ops ops = {.restart = on_net_misbehaves};
	struct transport *transport = NULL;
	int err = source_net_new(s->d->channel, &ops, s, &transport);

	if (err < 0)
		return serve_fail(s, err, "network");
	err = source_failover_new(s->o, transport, NULL, &s->source);
	if (err < 0) {
		transport->ops->free(transport);
		return serve_fail(s, err, "servers");
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
 * Whoever pinned the image by its digest has said nothing that a pack could be held against:
 * it needs a digest of its own, or a signature.
 */
static struct hot_config pack_config(const struct serve *s)
{
	const struct options_pin *pack = &s->o->pack;
	struct hot_config config = {
		.has_pack = true,
		.public_key = s->d->public_key,
		.public_key_bytes = s->d->public_key_bytes,
		.has_digest = pack->has_digest,
	};

	if (!pack->url[0])
		return (struct hot_config){0};
	if (s->o->has_digest && !pack->has_digest && !s->d->public_key) {
		log_warning(
			"hot pack beside the image: not used: digest= does not cover it: "
			"give pack=URL#sha256:HEX, HEX as 'hydroot-image info' prints it "
			"of the pack, or sign it and give public-key=");
		return (struct hot_config){0};
	}
	memcpy(config.digest, pack->digest, sizeof config.digest);
	return config;
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
		return serve_fail(s, err, "engine");
	timeline_set_image(s->d->timeline, info->image_bytes);
	engine.cm = s->cm;
	engine.store = cache_store(s->cache);
	err = engine_new(&engine, s->image.first, s->image.n_first, &s->engine);
	return err < 0 ? serve_fail(s, err, "engine") : 0;
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
	return err < 0 ? serve_fail(s, err, "fuse") : 0;
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
	return err < 0 ? serve_fail(s, err, "engine") : 0;
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
