/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - hydroot-image: the table of subcommands
 */
#include "imgfmt/tool/tool.h"

static const struct command *const commands[] = {
	&cmd_build,  &cmd_info, &cmd_verify,  &cmd_extract,
	&cmd_keygen, &cmd_sign, &cmd_publish, &cmd_pack,
};

static void print_help(FILE *to)
{
	fputs("Usage: hydroot-image COMMAND [OPTION...] ARGUMENT...\n"
	      "Make, inspect, verify, extract, sign and publish hydroot images.\n\n",
	      to);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const char *line = strchr(commands[i]->help, '\n') + 1;

		fprintf(to, "  %-9s %.*s\n", commands[i]->name, (int)strcspn(line, "\n"),
			line);
	}
	fputs("\n'hydroot-image COMMAND --help' says more; so does hydroot-image(1).\n",
	      to);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

/* A full disk behind stdout must not look like success. */
static int flush_output(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return tool_fail_errno("standard output", "cannot write");
	return status;
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return flush_output(EXIT_DONE);
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("hydroot-image " HYDROOT_VERSION);
		return flush_output(EXIT_DONE);
	}
	command = find_command(argv[1]);
	if (!command) {
		fprintf(stderr, "hydroot-image: %s: no such command\n", argv[1]);
		fputs("Try 'hydroot-image --help'.\n", stderr);
		return EXIT_USAGE;
	}
	if (asks_for_help(argc - 1, argv + 1)) {
		fputs(command->help, stdout);
		return flush_output(EXIT_DONE);
	}
	return flush_output(command->run(argc - 1, argv + 1));
}
