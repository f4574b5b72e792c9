/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output_check.c - what cannot be an output is refused before the work, not after it
 *
 * rename(2) replaces without a word.  So an output that is also an input, by whatever name,
 * is refused here, for all inputs of all commands: a key or a trace is gone as easily as an
 * image.
 */
#include "imgfmt/tool/output.h"

#include <errno.h>
#include <libgen.h>
#include <sys/stat.h>

#include "imgfmt/tool/tool.h"

static bool stat_source(const char *path, struct stat *ret)
{
	if (strcmp(path, "-") == 0)
		return fstat(STDIN_FILENO, ret) == 0;
	return stat(path, ret) == 0;
}

static int check_sources(const char *what, const char *path, const struct stat *st,
			 const struct output_source *sources)
{
	struct stat other;

	for (; sources->what; sources++)
		if (sources->path && stat_source(sources->path, &other) &&
		    st->st_dev == other.st_dev && st->st_ino == other.st_ino)
			return tool_fail(path, "is %s and %s", sources->what, what);
	return EXIT_DONE;
}

static int check_folder(const char *path)
{
	cleanup_free char *copy = strdup(path);
	const char *folder = copy ? dirname(copy) : NULL;
	struct stat st;

	if (!folder)
		return tool_fail(path, "out of memory");
	if (stat(folder, &st) < 0 && errno != ENOENT)
		return tool_fail_errno(path, "cannot create");
	if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
		return tool_fail(path, "cannot create: its folder %s is not there",
				 folder);
	return EXIT_DONE;
}

int output_check(const char *command, const char *what, const char *path,
		 const struct output_source *sources)
{
	struct stat st;
	int r;

	if (strcmp(path, "-") == 0)
		return tool_usage(command,
				  "%s cannot be standard output: it appears whole or not "
				  "at all, so it has to be a file (./- is one named -)",
				  what);
	if (stat(path, &st) < 0)
		return check_folder(path);
	r = check_sources(what, path, &st, sources);
	if (r == EXIT_DONE && !S_ISREG(st.st_mode))
		r = tool_fail(path, "is there and not a regular file");
	return r;
}
