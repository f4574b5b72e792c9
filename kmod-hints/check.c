/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - hydroot-check: what of hydroot works with a kernel, and what is missing
 *
 * Options and start order only.  Exit 0: hybrid in zram works, the default, or the mode and store
 * that were given; 1: it does not, or nothing could be read; 2: usage.
 */
#include <getopt.h>
#include <limits.h>

#include "kmod-hints/kernel.h"
#include "kmod-hints/list.h"
#include "kmod-hints/report.h"

struct arguments {
	char root[256]; /* "" for / */
	const char *kernel; /* "" for the running one */
	char lists[PATH_MAX];
	const char *transport; /* "" or one that has rows of its own */
	bool json;
	unsigned mode, store; /* FOR_ bits: what the exit status is about */
};

static void print_help(void)
{
	puts("usage: hydroot-check [OPTION...]\n"
	     "\n"
	     "Says which modes of hydroot work with a kernel, and what is missing.\n"
	     "\n"
	     "  --root=DIR        look below DIR (proc sys boot lib/modules) instead of /\n"
	     "  --kernel=VERSION  another kernel than the running one\n"
	     "  --lists=DIR       where modules.list and features.list are\n"
	     "  --mode=MODE       exit status of hybrid (default), full or stream\n"
	     "  --store=STORE     with zram (default), memory or disk\n"
	     "  --transport=nfs   what images at nfs:// need, too\n"
	     "  --json            one JSON object\n"
	     "  --help, --version\n"
	     "\n"
	     "Exit status: 0 that mode works with that store, 1 it does not, 2 usage.");
}

/* Options that answer and end. */
static bool answer_option(int c)
{
	if (c == 'h')
		print_help();
	else if (c == 'V')
		puts("hydroot-check " HYDROOT_VERSION);
	else
		return false;
	return true;
}

/* MODE or STORE; 0 and a message when it is none of these. */
static unsigned take_use(const char *option, unsigned among)
{
	unsigned use = for_find(optarg, strlen(optarg), among);

	if (!use)
		fprintf(stderr, "hydroot-check: --%s=%s: wrong value: accepted: %s\n",
			option, optarg,
			among == FOR_MODES ? "hybrid, full, stream"
					   : "zram, memory, disk");
	return use;
}

static bool take_transport(const char **ret)
{
	*ret = optarg;
	if (strcmp(optarg, "nfs") == 0)
		return true;
	fprintf(stderr, "hydroot-check: --transport=%s: wrong value: accepted: nfs\n",
		optarg);
	return false;
}

static bool take_path(const char *option, size_t n, char *ret, size_t ret_bytes)
{
	if (snprintf(ret, ret_bytes, "%.*s", (int)n, optarg) < (int)ret_bytes)
		return true;
	fprintf(stderr, "hydroot-check: --%s: the value is too long\n", option);
	return false;
}

static bool take_option(struct arguments *a, int c)
{
	size_t n;

	switch (c) {
	case 'r':
		n = strlen(optarg);
		while (n && optarg[n - 1] == '/')
			n--;
		return take_path("root", n, a->root, sizeof a->root);
	case 'k':
		a->kernel = optarg;
		return true;
	case 'l':
		return take_path("lists", strlen(optarg), a->lists, sizeof a->lists);
	case 'm':
		return (a->mode = take_use("mode", FOR_MODES));
	case 's':
		return (a->store = take_use("store", FOR_STORES));
	case 't':
		return take_transport(&a->transport);
	case 'j':
		a->json = true;
		return true;
	default:
		return false;
	}
}

static int wrong_usage(const char *subject, const char *what)
{
	fprintf(stderr, "hydroot-check: %s: %s; hydroot-check --help lists them\n",
		subject, what);
	return 3;
}

/* 0, or the exit status plus one. */
static int parse_arguments(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{"root", required_argument, NULL, 'r'},
		{"kernel", required_argument, NULL, 'k'},
		{"lists", required_argument, NULL, 'l'},
		{"mode", required_argument, NULL, 'm'},
		{"store", required_argument, NULL, 's'},
		{"transport", required_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (answer_option(c))
			return 1;
		if (c == ':' || c == '?')
			return wrong_usage(argv[optind - 1],
					   c == ':' ? "needs a value" : "no such option");
		if (!take_option(a, c))
			return 3;
	}
	return optind == argc ? 0 : wrong_usage(argv[optind], "not an option");
}

/* Beside the installed program, or in the source tree that it was built in. */
static void find_lists(struct arguments *a)
{
	static const char *const places[] = {"../share/hydroot", "../kmod-hints"};
	char exe[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *slash;

	if (n < 0)
		return;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return;
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char file[PATH_MAX];

		snprintf(a->lists, sizeof a->lists, "%s/%s", exe, places[i]);
		snprintf(file, sizeof file, "%s/%s/modules.list", exe, places[i]);
		if (access(file, R_OK) == 0)
			return;
	}
}

static int check(const struct arguments *a)
{
	struct kernel kernel = {0};
	struct list list = {0};
	struct report report = {0};
	int status = 1;

	if (list_read(&list, a->lists, a->transport) ||
	    kernel_read(&kernel, a->root, a->kernel) ||
	    report_make(&report, &list, &kernel))
		goto out;
	if (!a->json)
		report_print(&report);
	else if (report_print_json(&report))
		goto out;
	if (report_works(&report, a->mode, a->store))
		status = 0;
out:
	report_fini(&report);
	list_fini(&list);
	kernel_fini(&kernel);
	return fflush(stdout) == 0 ? status : 1;
}

int main(int argc, char **argv)
{
	struct arguments a = {
		.kernel = "", .mode = FOR_HYBRID, .store = FOR_ZRAM, .transport = ""};
	int r = parse_arguments(&a, argc, argv);

	if (r)
		return r - 1;
	if (!a.lists[0])
		find_lists(&a);
	return check(&a);
}
