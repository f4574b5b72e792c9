/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_control.c - what the main thread is told, by the control socket and by the keeper
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define FILL_JITTER_MS 10000u

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
void serve_hold_fill(struct serve *s)
{
	uint32_t random;

	if (!s->d->is_boot || s->o->mode != MODE_HYBRID)
		return;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
		random = (uint32_t)clock_ns();
	random %= FILL_JITTER_MS;
	log_debug("fill: held for %" PRIu32 " ms, as other nodes may boot now, too",
		  random);
	engine_hold_fill(s->engine, random);
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
	serve_hold_fill(s);
	serve_pause_fill(s);
}

/* What is read from now on is not what a boot reads. */
static void end_boot(struct serve *s)
{
	if (s->trace)
		trace_end(s->trace, TRACE_MARK);
	boot_complete(s);
}

void serve_look_for_boot_end(struct serve *s)
{
	/* Nobody says so of what was attached by hand. */
	const bool is_expected = s->d->is_boot || s->awaits_boot;

	if (s->is_boot_over || !is_expected ||
	    faccessat(s->d->rundir_fd, "booted", F_OK, 0) < 0)
		return;
	s->is_boot_over = true;
	end_boot(s);
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
		end_boot(s);
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

void serve_wait_for_events(struct serve *s, int timeout_ms)
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

int serve_open_control(struct serve *s)
{
	int fd = hold_take(s->d->hold, HOLD_CONTROL);
	int err = -EBADF;

	if (fd >= 0)
		err = control_open_on(fd, s->d->rundir_fd, &control_ops, s, &s->control);
	return err < 0 ? serve_fail(s, err, "control socket") : 0;
}
