/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bar.c - see bar.h
 *
 * The cursor is left at the start of the line, and log_over_bar has messages clear it first.
 */
#include "base/bar.h"

#include <sys/ioctl.h>

#include "base/clock.h"

#define FIRST_DRAWN_MS 1000
#define DRAWN_EVERY_MS 200
#define BAR_WIDTH 30
#define LINE_BYTES 256u
#define CLEAR_LINE "\r\x1b[K"

void bar_start(struct bar *b)
{
	*b = (struct bar){.is_terminal = isatty(STDERR_FILENO), .start_ms = clock_ms()};
}

bool bar_is_due(const struct bar *b)
{
	const int64_t now_ms = clock_ms();

	return b->is_terminal && now_ms - b->start_ms >= FIRST_DRAWN_MS &&
	       (!b->is_drawn || now_ms - b->drawn_ms >= DRAWN_EVERY_MS);
}

/* One column less than there are: a full line would begin the next one. */
static unsigned n_columns(void)
{
	struct winsize size = {0};

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return 79;
	return size.ws_col - 1u;
}

void bar_draw(struct bar *b, const char *what, int percent, const char *text)
{
	static const char full[] = "##############################";
	static const char empty[] = "..............................";
	char line[LINE_BYTES];
	int n;

	if (percent < 0) {
		n = snprintf(line, sizeof line, "%s: %s", what, text);
	} else {
		const int n_full = percent * BAR_WIDTH / 100;

		n = snprintf(line, sizeof line, "%s [%.*s%.*s] %3d%%  %s", what, n_full,
			     full, BAR_WIDTH - n_full, empty, percent, text);
	}
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	n = (int)min_u64((uint64_t)(n < 0 ? 0 : n), n_columns());
	fprintf(stderr, CLEAR_LINE "%.*s\r", n, line);
	b->is_drawn = true;
	b->drawn_ms = clock_ms();
}

void bar_stop(struct bar *b)
{
	if (b->is_drawn)
		fputs(CLEAR_LINE, stderr);
	b->is_drawn = false;
}
