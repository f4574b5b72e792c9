/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - what a daemon recorded of its life, and drawings of it
 */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "imgfmt/base.h"

#define REPORT_STRIPS 64u

struct report_bucket {
	double seconds; /* how long it is: the last one may be shorter */
	double demand_bytes, hot_bytes, ahead_bytes, fill_bytes, wire_bytes;
	uint64_t n_requests, n_waited, n_waiting_max;
	double wait_ms_max;
	bool is_stalled, is_paused;
	uint64_t wanted; /* bit i: a read began to wait in strip i of the image */
	uint8_t resident[REPORT_STRIPS]; /* 255: all of the strip is there */
};

struct report {
	json_t *root; /* owns what is below */
	const json_t *status;
	bool is_boot; /* seconds count from the kernel's start, else from the attach */
	double start, seconds; /* what was recorded: from where, how long */
	double bucket_seconds;
	unsigned n; /* 0: nothing was recorded */
	struct report_bucket *buckets;
};

/* The file `report` of an attachment's directory.  -errno, with a message. */
int report_open(int dirfd, const char *name, struct report *ret) _must_check_;
/* The same from text, for tests.  -EBADMSG: not a report; no message. */
int report_parse(const char *text, size_t n_bytes, struct report *ret) _must_check_;
void report_close(struct report *r);

/* A drawing that stands for itself; as_part: to be put into a page. */
void report_print_svg(FILE *to, const struct report *r, bool as_part);
/* A page with the drawing and the numbers. */
void report_print_html(FILE *to, const struct report *r);

/* A sentence each: how long it took, and what it took. */
void report_print_time(FILE *to, const struct report *r);
void report_print_effort(FILE *to, const struct report *r);

/* Text with what XML gives a meaning to escaped, and without what it cannot hold. */
void report_put_text(FILE *to, const char *text);

#endif
