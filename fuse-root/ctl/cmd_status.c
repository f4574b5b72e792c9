/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_status.c - show the status: for people, the JSON as it came, or as metrics; once,
 * or on and on
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/rundir.h"
#include "ctl/ctl.h"
#include "ctl/metrics.h"
#include "ctl/outfile.h"
#include "ctl/peer.h"
#include "ctl/status_print.h"

#define BAR_WIDTH 60u

struct show {
	bool is_json, is_metrics, is_watch, is_help;
	const char *output; /* a file; NULL: standard output */
};

/* -- a terminal --------------------------------------------------------------------------- */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number _unused_)
{
	is_interrupted = 1;
}

/* Without SA_RESTART, so that the sleep between two looks ends at once. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* False when it is to end. */
static bool sleep_a_second(void)
{
	return !is_interrupted && sleep(1) == 0 && !is_interrupted;
}

/* Bytes of a line that take at most n columns: those within a UTF-8 character take none. */
static size_t cut(const char *line, size_t n_bytes, unsigned n_columns)
{
	size_t i = 0;

	for (; i < n_bytes; i++) {
		if (((unsigned char)line[i] & 0xc0) != 0x80 && n_columns-- == 0)
			break;
	}
	return i;
}

/* Over what is there, line by line, and the rest cleared: nothing flickers, nothing scrolls. */
static void redraw(const char *text)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	fputs("\x1b[H", stdout);
	for (unsigned row = 1; *text && row < size.ws_row; row++) {
		size_t n_bytes = strcspn(text, "\n");

		printf("%.*s\x1b[K\n", (int)cut(text, n_bytes, size.ws_col), text);
		text += n_bytes + (text[n_bytes] == '\n');
	}
	fputs("\x1b[J", stdout);
}

/* -- one attachment ----------------------------------------------------------------------- */

static void print_json(const json_t *status)
{
	(void)json_dumpf(status, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
}

static void draw(const json_t *status)
{
	cleanup_free char *text = NULL;
	size_t n_bytes;
	FILE *to = open_memstream(&text, &n_bytes);

	if (!to)
		return;
	status_print(to, status);
	if (!status_is_final(status))
		status_print_bar(to, status, BAR_WIDTH);
	if (fclose(to) == 0)
		redraw(text);
}

static void print_one(const struct show *show, const json_t *status)
{
	if (show->is_json)
		print_json(status);
	else if (show->is_watch && isatty(STDOUT_FILENO))
		draw(status);
	else if (show->is_watch)
		status_print_line(stdout, status);
	else
		status_print(stdout, status);
}

/* -1: the daemon lives on; else the exit code. */
static int show_once(const struct show *show, const struct peer *a)
{
	json_t *status = NULL;
	bool is_live;

	if (peer_status_shown(a, &status, &is_live))
		return CTL_FAILED;
	print_one(show, status);
	json_decref(status);
	if (fflush(stdout) != 0) {
		log_error("standard output: %s", strerror(errno));
		return CTL_FAILED;
	}
	return is_live && show->is_watch ? -1 : CTL_DONE;
}

static int show_status(const struct show *show, const char *name)
{
	struct peer a;
	int ret;

	if (peer_open(name, &a))
		return CTL_FAILED;
	if (show->is_watch && !show->is_json && isatty(STDOUT_FILENO))
		fputs("\x1b[2J", stdout);
	do {
		ret = show_once(show, &a);
	} while (ret < 0 && sleep_a_second());
	peer_close(&a);
	return ret < 0 ? CTL_DONE : ret;
}

/* -- metrics ------------------------------------------------------------------------------ */

struct collection {
	struct metrics_status *list;
	json_t **statuses; /* the same, to be given back */
	unsigned n;
};

/* One that goes away meanwhile, or that left nothing readable, is left out. */
static int collect_one(struct collection *c, const char *name)
{
	struct peer a;
	json_t *status = NULL;
	bool is_live;
	int err = peer_open(name, &a);

	if (err)
		return err;
	err = peer_status_shown(&a, &status, &is_live);
	peer_close(&a);
	if (err)
		return err;
	c->statuses[c->n] = status;
	c->list[c->n++] = (struct metrics_status){.status = status, .is_live = is_live};
	return 0;
}

static int write_metrics(const struct show *show, const struct collection *c)
{
	struct outfile out;

	if (outfile_open(show->output, &out))
		return CTL_FAILED;
	metrics_print(out.to, c->list, c->n);
	return outfile_close(&out, true) ? CTL_FAILED : CTL_DONE;
}

static int show_metrics_of(const struct show *show, char *const *names, unsigned n_names,
			   bool must_be_there)
{
	struct collection c = {
		.list = calloc(n_names + 1, sizeof *c.list),
		.statuses = calloc(n_names + 1, sizeof(json_t *)),
	};
	int ret = c.list && c.statuses ? CTL_DONE : CTL_FAILED;

	for (unsigned i = 0; ret == CTL_DONE && i < n_names; i++) {
		if (collect_one(&c, names[i]) && must_be_there)
			ret = CTL_FAILED;
	}
	if (ret == CTL_DONE)
		ret = write_metrics(show, &c);
	for (unsigned i = 0; i < c.n; i++)
		json_decref(c.statuses[i]);
	free(c.statuses);
	free(c.list);
	return ret;
}

static int show_all_metrics(const struct show *show)
{
	cleanup_free char **names = NULL;
	int n = rundir_names(&names);

	if (n < 0) {
		log_error("run directory: %s", strerror(-n));
		return CTL_FAILED;
	}
	return show_metrics_of(show, names, (unsigned)n, false);
}

/* name NULL: of all attachments. */
static int show_metrics(const struct show *show, char *name)
{
	int ret;

	do {
		ret = name ? show_metrics_of(show, &name, 1, true)
			   : show_all_metrics(show);
	} while (show->is_watch && ret == CTL_DONE && sleep_a_second());
	return ret;
}

/* -- arguments ---------------------------------------------------------------------------- */

static int parse(struct show *show, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"watch", no_argument, NULL, 'w'},
		{"metrics", no_argument, NULL, 'm'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int code;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == 'j')
			show->is_json = true;
		else if (code == 'w')
			show->is_watch = true;
		else if (code == 'm')
			show->is_metrics = true;
		else if (code == 'o')
			show->output = optarg;
		else if (code == 'h')
			show->is_help = true;
		else
			return ctl_wrong_option(code, argv);
	}
	return 0;
}

static int check(const struct show *show)
{
	const char *wrong = NULL;

	if (show->is_json && show->is_metrics)
		wrong = "--json and --metrics: one of them at a time";
	else if (show->output && !show->is_metrics)
		wrong = "--output: only with --metrics";
	if (wrong)
		log_error("%s", wrong);
	return wrong ? CTL_USAGE : CTL_DONE;
}

int cmd_status(int argc, char **argv)
{
	struct show show = {0};
	const char *name;
	bool is_all;
	int ret = parse(&show, argc, argv);

	if (!ret && show.is_help) {
		ctl_print_usage(argv[0]);
		return CTL_DONE;
	}
	if (!ret)
		ret = check(&show);
	is_all = optind == argc;
	if (!ret)
		ret = ctl_take_name(argc, argv, &name);
	if (ret)
		return ret;
	if (show.is_watch)
		catch_signals();
	if (show.is_metrics)
		return show_metrics(&show, is_all ? NULL : argv[optind]);
	return show_status(&show, name);
}
