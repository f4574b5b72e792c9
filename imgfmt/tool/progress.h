/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h - one line on a terminal for work that takes longer than a second
 */
#ifndef IMGFMT_PROGRESS_H
#define IMGFMT_PROGRESS_H

#include "imgfmt/base.h"

struct progress {
	const char *what;
	uint64_t total; /* bytes; 0 when nobody knows */
	uint64_t start_ms, shown_ms;
	bool is_terminal;
};

void progress_start(struct progress *p, const char *what, uint64_t total);
void progress_show(struct progress *p,
		   uint64_t done); /* cheap: draws at most 5 times a second */
/* The same for what only takes time, by another program for example. */
void progress_show_time(struct progress *p);
void progress_stop(struct progress *p); /* removes the line */

#endif
