/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_report.c - draw what was fetched when, and what waited
 *
 * The daemon writes its record into the run directory, where it also leaves it when it goes.
 */
#include <errno.h>
#include <getopt.h>

#include "base/log.h"
#include "ctl/ctl.h"
#include "ctl/outfile.h"
#include "ctl/peer.h"
#include "ctl/report.h"

struct wish {
	bool is_svg, is_html, is_help;
	const char *output; /* NULL: standard output */
};

static int draw(const struct wish *w, const struct report *r)
{
	struct outfile out;

	if (outfile_open(w->output, &out))
		return CTL_FAILED;
	if (w->is_svg)
		report_print_svg(out.to, r, false);
	else
		report_print_html(out.to, r);
	return outfile_close(&out, true) ? CTL_FAILED : CTL_DONE;
}

static int report(const struct wish *w, const char *name)
{
	struct report r;
	struct peer a;
	int ret = CTL_FAILED, err;

	if (peer_open(name, &a))
		return CTL_FAILED;
	err = peer_command(&a, "report");
	/* Without a daemon what it left is all there is. */
	if (err == 0 || err == -ENOENT)
		err = report_open(a.dirfd, name, &r);
	peer_close(&a);
	if (err)
		return CTL_FAILED;
	ret = draw(w, &r);
	report_close(&r);
	return ret;
}

static int parse(struct wish *w, int argc, char **argv)
{
	static const struct option options[] = {
		{"svg", no_argument, NULL, 's'},
		{"html", no_argument, NULL, 't'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int code;

	while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (code == 's')
			w->is_svg = true;
		else if (code == 't')
			w->is_html = true;
		else if (code == 'o')
			w->output = optarg;
		else if (code == 'h')
			w->is_help = true;
		else
			return ctl_wrong_option(code, argv);
	}
	return CTL_DONE;
}

int cmd_report(int argc, char **argv)
{
	struct wish w = {0};
	const char *name;
	int ret = parse(&w, argc, argv);

	if (!ret && w.is_help) {
		ctl_print_usage(argv[0]);
		return CTL_DONE;
	}
	if (!ret && w.is_svg == w.is_html) {
		log_error("report: --svg or --html: one of them");
		ret = CTL_USAGE;
	}
	if (!ret)
		ret = ctl_take_name(argc, argv, &name);
	return ret ? ret : report(&w, name);
}
