/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - the `hydroot` program: a table of subcommands
 */
#include <getopt.h>

#include "base/log.h"
#include "base/rundir.h"
#include "ctl/ctl.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments;
	const char *summary;
};

static const struct command commands[] = {
	{"attach", cmd_attach,
	 "[--name=NAME] [--read-only] [--KEY=VALUE ...] URL [URL ...]",
	 "make an image a block device, and print its path when it is ready"},
	{"status", cmd_status, "[NAME] [--json|--metrics [--output=FILE]] [--watch]",
	 "show what an attachment is doing; --metrics: Prometheus text, of all"},
	{"wait", cmd_wait, "[NAME] [--for=ready|resident] [--timeout=TIME]",
	 "wait for it; exit 3: timed out, 4: will never be"},
	{"pause", cmd_pause, "[NAME]", "stop the background fill"},
	{"resume", cmd_resume, "[NAME]", "let the background fill go on"},
	{"set", cmd_set, "[NAME] KEY=VALUE ...",
	 "change mode, rate, cache, reserve, server while it runs, all or none"},
	{"trace", cmd_trace, "[--end] [NAME]",
	 "print what was read, in the order of first access; --end: stop recording"},
	{"report", cmd_report, "[NAME] --svg|--html [--output=FILE]",
	 "draw what was fetched when, and what waited"},
	{"detach", cmd_detach, "[NAME]", "give device and memory back"},
	{"copy-tree", cmd_copy_tree, "[--top] FROM TO",
	 "copy a root filesystem into an empty directory, attributes and all; --top: what FROM itself has, no content"},
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	return NULL;
}

void ctl_print_usage(const char *command)
{
	const struct command *c = find(command);

	printf("Usage: hydroot %s %s\n\n%s.\n", c->name, c->arguments, c->summary);
}

static void print_help(void)
{
	printf("Usage: hydroot COMMAND [ARGUMENT ...]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		printf("  %s %s\n        %s\n", c->name, c->arguments, c->summary);
	}
	printf("\nNAME is root unless given.  hydroot(8) says more.\n");
}

int ctl_check_name(const char *name)
{
	if (rundir_name_is_valid(name))
		return CTL_DONE;
	log_error("%s: not a name: 1 to 63 of A-Z a-z 0-9 _ -, not starting with -",
		  name);
	return CTL_USAGE;
}

int ctl_take_name(int argc, char **argv, const char **ret_name)
{
	const char *name = optind < argc ? argv[optind] : "root";

	if (optind + 1 < argc) {
		log_error("%s: one name is enough", argv[optind + 1]);
		return CTL_USAGE;
	}
	*ret_name = name;
	return ctl_check_name(name);
}

int ctl_wrong_option(int code, char **argv)
{
	if (code == ':')
		log_error("%s: needs a value", argv[optind - 1]);
	else
		log_error("%s: no such option; hydroot %s --help lists them",
			  argv[optind - 1], argv[0]);
	return CTL_USAGE;
}

int main(int argc, char **argv)
{
	const struct command *command;

	log_init("hydroot", false);
	if (argc < 2) {
		log_error("command: missing; hydroot --help lists them");
		return CTL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0) {
		print_help();
		return CTL_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("hydroot %s\n", HYDROOT_VERSION);
		return CTL_DONE;
	}
	command = find(argv[1]);
	if (!command) {
		log_error("%s: no such command; hydroot --help lists them", argv[1]);
		return CTL_USAGE;
	}
	opterr = 0;
	return command->run(argc - 1, argv + 1);
}
