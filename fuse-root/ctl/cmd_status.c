/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_status.c - show the status: for people, or the JSON as it came
 */
#include <errno.h>
#include <getopt.h>

#include "base/log.h"
#include "ctl/peer.h"
#include "ctl/ctl.h"
#include "ctl/status_print.h"

struct show {
	bool is_json, is_watch, is_help;
};

static void print_json(const json_t *status)
{
	(void)json_dumpf(status, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
}

static void print_one(const struct show *show, const json_t *status, bool is_live)
{
	if (show->is_json) {
		print_json(status);
		return;
	}
	if (show->is_watch && isatty(STDOUT_FILENO))
		fputs("\x1b[H\x1b[J", stdout); /* home, clear to the end */
	status_print(status);
	if (!is_live && !status_is_final(status))
		printf("  note      no daemon answers: this is what was last known\n");
}

/* -1: not at its end yet; else the exit code. */
static int show_once(const struct show *show, const struct peer *a)
{
	json_t *status = NULL;
	bool is_live, is_end;

	if (peer_status(a, &status, &is_live))
		return CTL_FAILED;
	print_one(show, status, is_live);
	is_end = status_is_final(status) || !is_live;
	json_decref(status);
	if (fflush(stdout) != 0) {
		log_error("standard output: %s", strerror(errno));
		return CTL_FAILED;
	}
	return is_end || !show->is_watch ? CTL_DONE : -1;
}

static int parse(struct show *show, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"watch", no_argument, NULL, 'w'},
		{"metrics", no_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int code;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == 'j') {
			show->is_json = true;
		} else if (code == 'w') {
			show->is_watch = true;
		} else if (code == 'h') {
			show->is_help = true;
		} else if (code == 'm') {
			log_error("--metrics: not supported by this version");
			return CTL_USAGE;
		} else {
			return ctl_wrong_option(code, argv);
		}
	}
	return 0;
}

int cmd_status(int argc, char **argv)
{
	struct show show = {0};
	struct peer a;
	const char *name;
	int ret = parse(&show, argc, argv);

	if (!ret && show.is_help) {
		ctl_print_usage(argv[0]);
		return CTL_DONE;
	}
	if (!ret)
		ret = ctl_take_name(argc, argv, &name);
	if (ret)
		return ret;
	if (peer_open(name, &a))
		return CTL_FAILED;
	while ((ret = show_once(&show, &a)) < 0)
		sleep(1);
	peer_close(&a);
	return ret;
}
