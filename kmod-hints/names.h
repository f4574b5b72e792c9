/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - a set of names: filled, sorted once, then asked
 *
 * '-' and '_' are the same in the name of a module; names_add stores '_' and names_has takes
 * either.  Plain memory, no I/O.
 */
#ifndef KMOD_HINTS_NAMES_H
#define KMOD_HINTS_NAMES_H

#include "imgfmt/base.h"

struct names {
	char **v;
	size_t n, room;
};

/* A copy of the first n_bytes of text.  -ENOMEM. */
int names_add(struct names *names, const char *text, size_t n_bytes) _must_check_;
/* To be called between the last names_add and the first names_has. */
void names_sort(struct names *names);
bool names_has(const struct names *names, const char *text);
void names_fini(struct names *names);

#endif
