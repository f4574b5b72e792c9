/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.h - output that goes to standard output, or appears as a file whole or not at all
 */
#ifndef CTL_OUTFILE_H
#define CTL_OUTFILE_H

#include <stdio.h>

#include "imgfmt/base.h"

struct outfile {
	FILE *to;
	const char *path; /* NULL: standard output */
	char *temp;
};

/* Write to ret->to; `path` is kept.  A new file is readable by all.  -errno, with a message. */
int outfile_open(const char *path, struct outfile *ret) _must_check_;

/*
 * The end: with ok and nothing gone wrong the file takes its name, else it is removed.
 * -errno, with a message.
 */
int outfile_close(struct outfile *o, bool ok) _must_check_;

#endif
