/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_wait.c - wait until an attachment is ready or resident, or will never be
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "ctl/peer.h"
#include "ctl/ctl.h"
#include "face/status_bar.h"

#define POLL_MS 250
/*
 * A daemon that is just leaving answers no more, and its last status is not written yet.
 */
#define ABSENT_MS 5000

struct wait {
	struct peer a;
	bool for_resident;
	struct bar bar;
	int64_t deadline_ms; /* INT64_MAX: none */
	int64_t live_ms; /* when a daemon answered last */
};

static bool is_reached(const struct wait *w, const json_t *status, bool is_live)
{
	if (status_is(status, "state", "resident") ||
	    status_is(status, "state", "cached"))
		return true;
	/* Without a daemon the device is of no use any more, or its last word is still to come. */
	return is_live && !w->for_resident && status_real(status, "seconds.ready") >= 0 &&
	       !status_is(status, "state", "failed");
}

/* NULL, or why it will never be. */
static const char *why_never(struct wait *w, const json_t *status, bool is_live)
{
	if (status_is(status, "state", "failed"))
		return status_text(status, "error");
	if (w->for_resident && status_is(status, "mode", "stream"))
		return "in mode stream it never becomes resident";
	if (is_live)
		w->live_ms = clock_ms();
	if (clock_ms() - w->live_ms > ABSENT_MS)
		return "the daemon is gone";
	return NULL;
}

/* -1: go on waiting; else the exit code. */
static int look(struct wait *w)
{
	json_t *status = NULL;
	const char *why;
	bool is_live;
	int ret = -1, err = peer_status(&w->a, &status, &is_live);

	if (err)
		return CTL_FAILED;
	why = why_never(w, status, is_live);
	if (is_reached(w, status, is_live)) {
		ret = CTL_DONE;
	} else if (why) {
		bar_stop(&w->bar);
		log_error("%s: %s", w->a.name, why[0] ? why : "failed");
		ret = CTL_NEVER;
	}
	if (ret < 0 && bar_is_due(&w->bar))
		status_bar_draw(&w->bar, status);
	json_decref(status);
	return ret;
}

static int wait_for(struct wait *w)
{
	int ret;

	w->live_ms = clock_ms();
	bar_start(&w->bar);
	while ((ret = look(w)) < 0) {
		int64_t left_ms = w->deadline_ms - clock_ms();

		if (left_ms <= 0) {
			bar_stop(&w->bar);
			log_error("%s: timed out", w->a.name);
			return CTL_TIMED_OUT;
		}
		poll(NULL, 0, left_ms < POLL_MS ? (int)left_ms : POLL_MS);
	}
	bar_stop(&w->bar);
	return ret;
}

static int take_for(struct wait *w, const char *text)
{
	w->for_resident = strcmp(text, "resident") == 0;
	if (w->for_resident || strcmp(text, "ready") == 0)
		return 0;
	log_error("--for=%s: wrong value: accepted: ready, resident", text);
	return CTL_USAGE;
}

static int take_timeout(struct wait *w, const char *text)
{
	int64_t ms, now_ms = clock_ms();

	if (options_time(text, &ms) || !checked_add(now_ms, ms, &w->deadline_ms)) {
		log_error("--timeout=%s: wrong value: accepted: a time like 30s, 5m, 1h",
			  text);
		return CTL_USAGE;
	}
	return 0;
}

static int parse(struct wait *w, int argc, char **argv, bool *ret_is_help)
{
	static const struct option options[] = {
		{"for", required_argument, NULL, 'f'},
		{"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int code, err = 0;

	while (!err && (code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == 'f')
			err = take_for(w, optarg);
		else if (code == 't')
			err = take_timeout(w, optarg);
		else if (code == 'h')
			*ret_is_help = true;
		else
			err = ctl_wrong_option(code, argv);
	}
	return err;
}

int cmd_wait(int argc, char **argv)
{
	struct wait w = {.for_resident = true, .deadline_ms = INT64_MAX};
	bool is_help = false;
	const char *name;
	int ret = parse(&w, argc, argv, &is_help);

	if (!ret && is_help) {
		ctl_print_usage(argv[0]);
		return CTL_DONE;
	}
	if (!ret)
		ret = ctl_take_name(argc, argv, &name);
	if (ret)
		return ret;
	if (peer_open(name, &w.a))
		return CTL_FAILED;
	ret = wait_for(&w);
	peer_close(&w.a);
	return ret;
}
