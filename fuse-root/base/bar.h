/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bar.h - one line on a terminal for work that takes longer than a second; off a terminal nothing
 */
#ifndef BASE_BAR_H
#define BASE_BAR_H

#include <stdbool.h>
#include <stdint.h>

#include "imgfmt/base.h"

struct bar {
	bool is_terminal, is_drawn;
	int64_t start_ms, drawn_ms;
};

/* On standard error. */
void bar_start(struct bar *b);
/* Cheap.  Not in the first second, and then five times a second. */
bool bar_is_due(const struct bar *b);
/* percent -1: nobody knows.  `text` may hold anything that a server said. */
void bar_draw(struct bar *b, const char *what, int percent, const char *text);
/* Removes the line. */
void bar_stop(struct bar *b);

#endif
