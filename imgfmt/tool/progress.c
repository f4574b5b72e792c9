/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.c - one line on a terminal
 */
#include "imgfmt/tool/progress.h"

#include <inttypes.h>
#include <time.h>

#include "imgfmt/tool/tool.h"

#define FIRST_SHOWN_MS 1000
#define SHOWN_EVERY_MS 200
#define BAR_WIDTH 30

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void progress_start(struct progress *p, const char *what, uint64_t total)
{
	*p = (struct progress){.what = what, .total = total, .start_ms = now_ms()};
	p->is_terminal = isatty(STDERR_FILENO);
}

static void draw_bar(const struct progress *p, uint64_t done)
{
	static const char full[] = "##############################";
	double part = done < p->total ? (double)done / (double)p->total : 1;
	int n = (int)(part * BAR_WIDTH);

	fprintf(stderr, "[%.*s%*s] %3d%%  ", n, full, BAR_WIDTH - n, "",
		(int)(part * 100));
}

/* Is it time to draw?  Then the line is begun anew, with what is done. */
static bool begin_line(struct progress *p, uint64_t *ret_now)
{
	uint64_t now;

	if (!p->is_terminal)
		return false;
	now = now_ms();
	if (now < p->start_ms + FIRST_SHOWN_MS || now < p->shown_ms + SHOWN_EVERY_MS)
		return false;
	p->shown_ms = now;
	fprintf(stderr, "\r\033[K%s", p->what);
	tool_line_is_open(true);
	*ret_now = now;
	return true;
}

void progress_show_time(struct progress *p)
{
	uint64_t now;

	if (begin_line(p, &now))
		fprintf(stderr, ", %u s", (unsigned)((now - p->start_ms) / 1000));
}

void progress_show(struct progress *p, uint64_t done)
{
	uint64_t now;

	if (!begin_line(p, &now))
		return;
	fputc(' ', stderr);
	if (p->total > 0)
		draw_bar(p, done);
	fprintf(stderr, "%s, %s/s", tool_human(done),
		tool_human(done * 1000 / (now - p->start_ms)));
}

void progress_stop(struct progress *p)
{
	if (p->is_terminal && p->shown_ms > 0)
		fputs("\r\033[K", stderr);
	tool_line_is_open(false);
	p->shown_ms = 0;
}
