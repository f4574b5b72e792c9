/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - the subcommands of `hydroot` and what they share
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <jansson.h>

#include "imgfmt/base.h"

enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_TIMED_OUT = 3,
	CTL_NEVER = 4,
};

/* Each gets its arguments with the subcommand as argv[0], and returns an exit code. */
int cmd_attach(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_copy_tree(int argc, char **argv);
int cmd_detach(int argc, char **argv);

/* One subcommand's --help, to stdout. */
void ctl_print_usage(const char *command);

/*
 * What getopt left: [NAME], "root" when there is none.  0, or CTL_USAGE with a message.
 */
int ctl_take_name(int argc, char **argv, const char **ret_name) _must_check_;

/* 0, or CTL_USAGE with a message. */
int ctl_check_name(const char *name) _must_check_;

/* What getopt_long returned for a wrong option.  CTL_USAGE, with a message. */
int ctl_wrong_option(int code, char **argv);

#endif
