/* SPDX-License-Identifier: Apache-2.0 */
/*
 * temptree.h - a folder for a while, which goes however we go
 */
#ifndef IMGFMT_TEMPTREE_H
#define IMGFMT_TEMPTREE_H

#include "imgfmt/base.h"

#include <sys/types.h>
#include <time.h>

struct temptree {
	char *path; /* open to nobody else */
	char *root; /* in it: the tree to be filled */
	struct timespec born; /* by the filesystem's clock */
	pid_t remover;
	int alive_fd; /* closes with us */
};

#define TEMPTREE_NONE                                                                    \
	{                                                                                \
		.alive_fd = -1                                                           \
	}

/*
 * Beside `output_path`.  A process of its own waits for our end, also that by SIGKILL,
 * and removes the folder.  Prints; returns an exit code.
 */
int temptree_new(const char *output_path, struct temptree *ret) _must_check_;

/* Waits until it is gone.  Legal on TEMPTREE_NONE, and twice. */
void temptree_free(struct temptree *t);

/*
 * What was put into the root becomes another folder of ours, *ret_path, the caller's to free,
 * and the root is a new one.  Prints; returns an exit code.
 */
int temptree_set_aside(struct temptree *t, char **ret_path) _must_check_;

/*
 * Folders that the archive does not name have the time at which they were made, between the
 * root's making and now; give them the time that everything else of ours has, so that the
 * same archive always gives the same tree.
 */
int temptree_settle_times(const struct temptree *t) _must_check_;

#endif
