/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.h - what all subcommands of hydroot-image share: exit codes, messages, numbers
 *
 * Messages go out where the facts are, once; the functions that print return the exit
 * code that belongs to the message, and callers hand it up.
 */
#ifndef IMGFMT_TOOL_H
#define IMGFMT_TOOL_H

#include "imgfmt/imgfmt.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3 };

struct command {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_build, cmd_info, cmd_verify, cmd_extract, cmd_keygen,
	cmd_sign, cmd_publish, cmd_pack;

/*
 * `hydroot-image: subject: text`; returns EXIT_FAILED.  tool_fail_errno adds what
 * errno says.
 */
int tool_fail(const char *subject, const char *format, ...) _printf_(2, 3);
int tool_fail_errno(const char *subject, const char *action);
void tool_say(const char *subject, const char *format, ...) _printf_(2, 3);
void tool_warn(const char *subject, const char *format, ...) _printf_(2, 3);

/* A line is on the terminal that is not ended: the next message removes it first. */
void tool_line_is_open(bool is_open);

/* Returns EXIT_USAGE, and says where the help is. */
int tool_usage(const char *command, const char *format, ...) _printf_(2, 3);

/*
 * getopt_long with its messages in our form: the option, -1 at the end, or '?' when it
 * was wrong and has been complained about.
 */
struct option;
int tool_getopt(const char *command, int argc, char **argv, const struct option *options,
		int *ret_index);

/* Digits, then perhaps K M G T.  False for anything else and for what does not fit. */
bool tool_parse_size(const char *text, uint64_t *ret) _must_check_;
bool tool_parse_number(const char *text, uint64_t *ret) _must_check_;

/* "12.3 MiB" into a static buffer that the next but three calls overwrite. */
const char *tool_human(uint64_t n_bytes);

/*
 * All of a small file; *ret is the caller's, with a NUL behind it.  Prints; returns an
 * exit code.
 */
int tool_read_file(const char *path, size_t max_bytes, char **ret,
		   size_t *ret_bytes) _must_check_;

#endif
