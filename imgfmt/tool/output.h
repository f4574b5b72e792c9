/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - a file that appears whole or not at all
 *
 * It has no name until output_commit, so a crash or a kill leaves nothing behind.  Where
 * the filesystem has no nameless files it has a temporary name, which is removed on
 * failure and on the usual signals.
 */
#ifndef IMGFMT_OUTPUT_H
#define IMGFMT_OUTPUT_H

#include "imgfmt/base.h"

struct output {
	int fd;
	const char *path; /* the caller's, as long as the output */
	char *temp_path; /* NULL while it has no name */
};

/* Something that a command reads; path NULL: not given, "-": standard input. */
struct output_source {
	const char *what; /* "INPUT", "the file of --key" */
	const char *path;
};

/*
 * For before any work: can `path`, which the usage calls `what`, be made, and is it none
 * of what is read?  The list ends with what NULL.  Prints; returns an exit code.
 */
int output_check(const char *command, const char *what, const char *path,
		 const struct output_source *sources) _must_check_;

/* All print, and return an exit code. */
int output_open(const char *path, struct output *ret) _must_check_;
int output_write(struct output *o, const void *buf, size_t n_bytes) _must_check_;
int output_commit(struct output *o) _must_check_;

/* Closes; removes what was not committed.  Legal twice. */
void output_close(struct output *o);

/* A nameless scratch file in the folder of `path`, or -1 with errno. */
int output_scratch(const char *path);

/*
 * Append from_fd's first n bytes at the end of o, in the kernel where it can.  `what` is the
 * word for it on a terminal.
 */
int output_append_file(struct output *o, const char *what, int from_fd,
		       uint64_t n_bytes) _must_check_;

/* write(2) until all is written; -1 with errno. */
int write_all(int fd, const void *buf, size_t n_bytes) _must_check_;

/* The same with pwrite(2). */
int pwrite_all(int fd, const void *buf, size_t n_bytes, uint64_t off) _must_check_;

#endif
