/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - every row judged, and the result as text or JSON
 */
#ifndef KMOD_HINTS_REPORT_H
#define KMOD_HINTS_REPORT_H

#include "kmod-hints/list.h"

struct report {
	const struct kernel *kernel; /* borrowed */
	const struct list *list; /* borrowed */
	enum answer *answers; /* one per row */
	unsigned there; /* FOR_ bits: nothing that is required for it is missing */
};

/* -ENOMEM */
int report_make(struct report *report, const struct list *list,
		const struct kernel *kernel) _must_check_;
void report_fini(struct report *report);

/* One FOR_ bit each: does this mode work with its image in this store? */
bool report_works(const struct report *report, unsigned mode, unsigned store);

void report_print(const struct report *report);
/* -EINVAL, with a message: not all of it is UTF-8, or memory is short.  Nothing is printed then. */
int report_print_json(const struct report *report) _must_check_;

#endif
