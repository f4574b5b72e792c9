/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_svg.c - the drawing: four panels over one time axis
 *
 *	bytes a second that were fetched, by what they were for
 *	how many reads waited at a time
 *	the longest wait that ended
 *	where in the image: what is there, and where reads began to wait
 *
 * It needs nothing from elsewhere and no script.  Colours differ in hue and in lightness, so that
 * no kind of colour-blindness makes two of them one, and follow the reader's light or dark theme.
 * Each column has its numbers as a title, which browsers show under the pointer.
 */
#include "ctl/chart.h"
#include "ctl/peer.h"
#include "ctl/report.h"

#define WIDTH 1000
#define HEIGHT 922
#define LEFT 84.0
#define PLOT_WIDTH 892.0
#define RIGHT (LEFT + PLOT_WIDTH)
#define TOP 172.0
#define BOTTOM 822.0
#define LEGEND_LEFT (LEFT + 200)
#define LEVELS 4u /* of what is there, above nothing */

struct panel {
	double top, height;
};

static const struct panel bytes_panel = {TOP, 190}, waiting_panel = {408, 66},
			  wait_panel = {518, 66}, image_panel = {630, BOTTOM - 630};

struct drawing {
	FILE *to;
	const struct report *r;
	double end; /* of the time axis */
};

/* -- colours ------------------------------------------------------------------------------ */

static const struct {
	const char *selector, *property, *light, *dark;
} colours[] = {
	{".bg", "fill", "#ffffff", "#14181d"},
	{"text", "fill", "#1b1f24", "#e8ecf0"},
	{".muted", "fill", "#59636e", "#9aa6b2"},
	{".grid", "stroke", "#e1e5ea", "#2a313a"},
	{".axis", "stroke", "#8b95a1", "#66717e"},
	{".mark", "stroke", "#1b1f24", "#e8ecf0"},
	{".demand", "fill", "#c2410c", "#fb8a55"},
	{".hot", "fill", "#eab308", "#fde047"},
	{".ahead", "fill", "#2f9e77", "#5fcaa4"},
	{".fill", "fill", "#3b78b8", "#5b9bd8"},
	{".wire", "stroke", "#1b1f24", "#e8ecf0"},
	{".wait", "fill", "#86489c", "#c490d8"},
	{".stalled", "stroke", "#b0b8c1", "#4a545f"},
	{".paused", "fill", "#eef1f4", "#1f252c"},
};

static void print_style(FILE *to)
{
	fputs("<style>\n"
	      ".hydroot text{font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',"
	      "sans-serif}\n"
	      ".hydroot .title{font-size:22px;font-weight:600}"
	      ".hydroot .caption{font-weight:600}"
	      ".hydroot .muted{font-size:12px}\n"
	      ".hydroot .grid,.hydroot .axis{stroke-width:1;fill:none}"
	      ".hydroot .mark{stroke-width:1.5;stroke-dasharray:4 3}"
	      ".hydroot .wire{fill:none;stroke-width:1;stroke-opacity:.75}"
	      ".hydroot .stalled{stroke-width:2}"
	      ".hydroot .hit{fill:transparent}"
	      ".hydroot .hit:hover{fill:#808080;fill-opacity:.2}\n",
	      to);
	for (unsigned i = 0; i < ARRAY_SIZE(colours); i++)
		fprintf(to, ".hydroot %s{%s:%s}", colours[i].selector,
			colours[i].property, colours[i].light);
	fputs("\n@media (prefers-color-scheme:dark){", to);
	for (unsigned i = 0; i < ARRAY_SIZE(colours); i++)
		fprintf(to, ".hydroot %s{%s:%s}", colours[i].selector,
			colours[i].property, colours[i].dark);
	fputs("}\n</style>\n", to);
}

/* -- small pieces ------------------------------------------------------------------------- */

static double x_of(const struct drawing *d, double seconds)
{
	return LEFT + (seconds - d->r->start) / (d->end - d->r->start) * PLOT_WIDTH;
}

/* Where bucket i begins; i may be r->n: where the last one ends. */
static double begin_of(const struct report *r, unsigned i)
{
	double end;

	if (i < r->n || r->n == 0)
		return r->start + i * r->bucket_seconds;
	end = r->start + (r->n - 1) * r->bucket_seconds;
	return end + r->buckets[r->n - 1].seconds;
}

static void put_rect(const struct drawing *d, double x, double y, double w, double h)
{
	fprintf(d->to, "M%.1f %.1fh%.1fv%.1fh%.1fz", x, y, w, h, -w);
}

static void begin_path(const struct drawing *d, const char *class)
{
	fprintf(d->to, "<path class=\"%s\" d=\"M0 0", class);
}

static void end_path(const struct drawing *d)
{
	fputs("\"/>\n", d->to);
}

static void put_caption(const struct drawing *d, const struct panel *p, const char *text)
{
	fprintf(d->to, "<text class=\"caption\" x=\"%.0f\" y=\"%.0f\">%s</text>\n", LEFT,
		p->top - 14, text);
}

/* A swatch and its text; returns where the next one may begin, whatever the font. */
static double put_legend(const struct drawing *d, const struct panel *p, double x,
			 const char *class, const char *text)
{
	fprintf(d->to,
		"<rect class=\"%s\" x=\"%.0f\" y=\"%.0f\" width=\"11\" height=\"11\" "
		"rx=\"2\"/><text class=\"muted\" x=\"%.0f\" y=\"%.0f\">%s</text>\n",
		class, x, p->top - 24, x + 16, p->top - 14, text);
	return x + 36 + 6.8 * (double)strlen(text);
}

static void put_y_tick(const struct drawing *d, double y, const char *text, bool is_grid)
{
	if (is_grid)
		fprintf(d->to, "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/>", LEFT, y,
			RIGHT);
	fprintf(d->to,
		"<text class=\"muted\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s"
		"</text>\n",
		LEFT - 8, y + 4, text);
}

/* Ticks from 0 to the top; returns what the top stands for.  most 0: an empty axis. */
static double put_y_axis(const struct drawing *d, const struct panel *p, double most,
			 double unit, const char *unit_name, unsigned n_max)
{
	double step = chart_step(most > 0 ? most / unit : 1, n_max);
	double top = step;
	char text[48];

	while (top * unit < most)
		top += step;
	for (double tick = 0; tick <= top + step / 2; tick += step) {
		bool is_top = tick + step / 2 > top;

		snprintf(text, sizeof text, "%.6g%s%s", tick, is_top ? " " : "",
			 is_top ? unit_name : "");
		put_y_tick(d, p->top + p->height * (1 - tick / top), text, true);
	}
	return top * unit;
}

static void put_frame(const struct drawing *d, const struct panel *p)
{
	fprintf(d->to, "<path class=\"axis\" d=\"M%.0f %.1fv%.1fH%.0f\"/>\n", LEFT,
		p->top, p->height, RIGHT);
}

static void put_note(const struct drawing *d, const struct panel *p, const char *text)
{
	fprintf(d->to,
		"<text class=\"muted\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"middle\">%s"
		"</text>\n",
		LEFT + PLOT_WIDTH / 2, p->top + p->height / 2 + 4, text);
}

/* One column of a bar chart: at least so wide that it can be seen. */
static void put_bar(const struct drawing *d, const struct panel *p, unsigned i,
		    double from, double to, double top)
{
	double x = x_of(d, begin_of(d->r, i)), x_end = x_of(d, begin_of(d->r, i + 1));
	double y = p->top + p->height * (1 - to / top);
	double height = (to - from) / top * p->height;

	if (height > 0)
		put_rect(d, x, y, x_end - x > 0.8 ? x_end - x : 0.8,
			 height > 0.5 ? height : 0.5);
}

/* -- bytes -------------------------------------------------------------------------------- */

static double rate(const struct report_bucket *b, double n_bytes)
{
	return b->seconds > 0 ? n_bytes / b->seconds : 0;
}

static double most_bytes(const struct report *r)
{
	double most = 0;

	for (unsigned i = 0; i < r->n; i++) {
		const struct report_bucket *b = &r->buckets[i];
		double stored =
			b->demand_bytes + b->hot_bytes + b->ahead_bytes + b->fill_bytes;
		double more = rate(b, stored > b->wire_bytes ? stored : b->wire_bytes);

		most = more > most ? more : most;
	}
	return most;
}

/* In the order of the stack. */
static double bytes_of(const struct report_bucket *b, unsigned class)
{
	const double bytes[] = {b->demand_bytes, b->hot_bytes, b->ahead_bytes,
				b->fill_bytes};

	return bytes[class];
}

static const char *const class_names[] = {"demand", "hot", "ahead", "fill"};
static const char *const class_texts[] = {"for reads that waited", "hot pack",
					  "ahead of readers", "background fill"};

static void put_class(const struct drawing *d, unsigned class, double top)
{
	begin_path(d, class_names[class]);
	for (unsigned i = 0; i < d->r->n; i++) {
		const struct report_bucket *b = &d->r->buckets[i];
		double from = 0;

		for (unsigned below = 0; below < class; below++)
			from += rate(b, bytes_of(b, below));
		put_bar(d, &bytes_panel, i, from, from + rate(b, bytes_of(b, class)),
			top);
	}
	end_path(d);
}

static void put_wire(const struct drawing *d, double top)
{
	const struct panel *p = &bytes_panel;

	fprintf(d->to, "<path class=\"wire\" d=\"M%.1f %.1f", LEFT, p->top + p->height);
	for (unsigned i = 0; i < d->r->n; i++) {
		const struct report_bucket *b = &d->r->buckets[i];

		fprintf(d->to, "V%.1fH%.1f",
			p->top + p->height * (1 - rate(b, b->wire_bytes) / top),
			x_of(d, begin_of(d->r, i + 1)));
	}
	fprintf(d->to, "V%.1f", p->top + p->height);
	end_path(d);
}

static void put_wire_legend(const struct drawing *d, double x)
{
	double y = bytes_panel.top - 14;

	fprintf(d->to,
		"<path class=\"wire\" d=\"M%.0f %.0fh14\"/>"
		"<text class=\"muted\" x=\"%.0f\" y=\"%.0f\">on the wire</text>\n",
		x, y - 4, x + 19, y);
}

static void put_bytes(const struct drawing *d)
{
	const struct panel *p = &bytes_panel;
	double most = most_bytes(d->r), x = LEGEND_LEFT, top, unit;
	const char *name;
	char unit_name[16];

	put_caption(d, p, "Fetched a second");
	for (unsigned i = 0; i < ARRAY_SIZE(class_names); i++)
		x = put_legend(d, p, x, class_names[i], class_texts[i]);
	put_wire_legend(d, x);
	unit = chart_byte_unit(most, &name);
	snprintf(unit_name, sizeof unit_name, "%s/s", name);
	top = put_y_axis(d, p, most, unit, unit_name, 5);
	for (unsigned i = 0; i < ARRAY_SIZE(class_names); i++)
		put_class(d, i, top);
	put_wire(d, top);
	put_frame(d, p);
	if (most <= 0)
		put_note(d, p, "nothing was fetched");
}

/* -- waits -------------------------------------------------------------------------------- */

static void put_bars(const struct drawing *d, const struct panel *p,
		     double (*value)(const struct report_bucket *b), double top)
{
	begin_path(d, "wait");
	for (unsigned i = 0; i < d->r->n; i++)
		put_bar(d, p, i, 0, value(&d->r->buckets[i]), top);
	end_path(d);
}

static double most_of(const struct report *r,
		      double (*value)(const struct report_bucket *b))
{
	double most = 0;

	for (unsigned i = 0; i < r->n; i++) {
		double v = value(&r->buckets[i]);

		most = v > most ? v : most;
	}
	return most;
}

static double waiting_of(const struct report_bucket *b)
{
	return (double)b->n_waiting_max;
}

/*
 * Powers of ten above a millisecond: an outage of minutes must not hide waits of a tenth
 * of a second.
 */
static double wait_of(const struct report_bucket *b)
{
	return b->wait_ms_max > 1 ? chart_log10(b->wait_ms_max) : 0;
}

static const char *const wait_ticks[] = {"1 ms", "10 ms", "100 ms", "1 s",
					 "10 s", "100 s", "1000 s", "10000 s"};

static double put_wait_axis(const struct drawing *d, double longest)
{
	const struct panel *p = &wait_panel;
	unsigned n = 2, step;

	while (n < longest && n + 1 < ARRAY_SIZE(wait_ticks))
		n++;
	step = n > 4 ? 2 : 1;
	for (unsigned i = n % step; i <= n; i += step)
		put_y_tick(d, p->top + p->height * (1 - (double)i / n), wait_ticks[i],
			   true);
	return n > longest ? n : longest;
}

static void put_longest_waits(const struct drawing *d)
{
	double longest = most_of(d->r, wait_of);

	put_caption(d, &wait_panel,
		    "Longest wait of a read that was answered (powers of ten)");
	put_bars(d, &wait_panel, wait_of, put_wait_axis(d, longest));
	put_frame(d, &wait_panel);
	if (longest <= 0)
		put_note(d, &wait_panel, "no read waited");
}

static void put_waits(const struct drawing *d)
{
	double most = most_of(d->r, waiting_of), top;

	put_caption(d, &waiting_panel, "Reads that waited at a time");
	top = put_y_axis(d, &waiting_panel, most > 2 ? most : 2, 1, "reads", 2);
	put_bars(d, &waiting_panel, waiting_of, top);
	put_frame(d, &waiting_panel);
	if (most <= 0)
		put_note(d, &waiting_panel,
			 status_number(json_object_get(d->r->status, "demand"),
				       "wait_seconds.count")
				 ? "none at the moments when it was looked"
				 : "no read waited");
	put_longest_waits(d);
}

/* -- the image ---------------------------------------------------------------------------- */

static unsigned level_of(uint8_t resident)
{
	if (resident == 255)
		return LEVELS;
	return resident == 0 ? 0 : 1 + resident * (LEVELS - 1) / 255;
}

/* Runs of one level in each strip. */
static void put_level(const struct drawing *d, unsigned level)
{
	const struct report *r = d->r;
	double height = image_panel.height / REPORT_STRIPS;

	fprintf(d->to, "<path class=\"fill\" fill-opacity=\"%.2f\" d=\"M0 0",
		0.2 + 0.8 * (level - 1) / (LEVELS - 1));
	for (unsigned strip = 0; strip < REPORT_STRIPS; strip++) {
		for (unsigned i = 0; i < r->n;) {
			unsigned begin = i;
			double x;

			while (i < r->n &&
			       level_of(r->buckets[i].resident[strip]) == level)
				i++;
			if (i == begin) {
				i++;
				continue;
			}
			x = x_of(d, begin_of(r, begin));
			put_rect(d, x, image_panel.top + strip * height,
				 x_of(d, begin_of(r, i)) - x, height + 0.1);
		}
	}
	end_path(d);
}

static void put_wanted(const struct drawing *d)
{
	double height = image_panel.height / REPORT_STRIPS;

	begin_path(d, "demand");
	for (unsigned i = 0; i < d->r->n; i++) {
		double x = x_of(d, begin_of(d->r, i));
		double width = x_of(d, begin_of(d->r, i + 1)) - x;

		for (unsigned strip = 0; strip < REPORT_STRIPS; strip++) {
			if (d->r->buckets[i].wanted >> strip & 1)
				put_rect(d, x, image_panel.top + strip * height,
					 width < 2   ? 2
					 : width > 8 ? 8
						     : width,
					 height);
		}
	}
	end_path(d);
}

static void put_level_legend(const struct drawing *d, double x)
{
	double y = image_panel.top - 14;

	fprintf(d->to, "<text class=\"muted\" x=\"%.0f\" y=\"%.0f\">little</text>\n", x,
		y);
	for (unsigned i = 0; i < LEVELS; i++)
		fprintf(d->to,
			"<rect class=\"fill\" fill-opacity=\"%.2f\" x=\"%.0f\" y=\"%.0f\" "
			"width=\"14\" height=\"11\"/>\n",
			0.2 + 0.8 * i / (LEVELS - 1), x + 38 + 14 * i, y - 10);
	fprintf(d->to, "<text class=\"muted\" x=\"%.0f\" y=\"%.0f\">all there</text>\n",
		x + 44 + 14 * LEVELS, y);
}

static void put_image(const struct drawing *d)
{
	const struct panel *p = &image_panel;
	double bytes = (double)status_number(d->r->status, "image.bytes");

	put_caption(d, p, "Where in the image");
	put_level_legend(d,
			 put_legend(d, p, LEGEND_LEFT, "demand", "a read began to wait"));
	for (unsigned level = 1; level <= LEVELS; level++)
		put_level(d, level);
	put_wanted(d);
	for (unsigned i = 0; i <= 2; i++)
		put_y_tick(d, p->top + p->height * i / 2,
			   i ? chart_bytes(bytes * i / 2).text : "0", false);
	put_frame(d, p);
}

/* -- time --------------------------------------------------------------------------------- */

static void put_time_axis(const struct drawing *d)
{
	const struct report *r = d->r;
	double step = chart_time_step(d->end - r->start, 12);
	unsigned long first = (unsigned long)(r->start / step);

	for (unsigned long i = first; i * step <= d->end; i++) {
		double x = x_of(d, i * step);

		if (x < LEFT - 1)
			continue;
		fprintf(d->to,
			"<path class=\"grid\" d=\"M%.1f %.0fV%.0f\"/>"
			"<text class=\"muted\" x=\"%.1f\" y=\"%.0f\" "
			"text-anchor=\"middle\">%s</text>\n",
			x, TOP, BOTTOM + 5, x, BOTTOM + 20,
			chart_clock(i * step, d->end).text);
	}
	fprintf(d->to,
		"<text class=\"muted\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">%s "
		"since the %s</text>\n",
		LEFT + PLOT_WIDTH / 2, BOTTOM + 40, chart_clock_unit(d->end),
		r->is_boot ? "kernel&#8217;s start" : "attach");
}

/* Behind everything: when no server was usable, and when the fill was paused. */
static void put_background(const struct drawing *d, bool is_stalled)
{
	const struct report *r = d->r;

	for (unsigned i = 0; i < r->n;) {
		unsigned begin = i;
		double x;

		while (i < r->n &&
		       (is_stalled ? r->buckets[i].is_stalled : r->buckets[i].is_paused))
			i++;
		if (i == begin) {
			i++;
			continue;
		}
		x = x_of(d, begin_of(r, begin));
		fprintf(d->to,
			"<rect %s x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\">"
			"<title>%s</title></rect>\n",
			is_stalled ? "fill=\"url(#hatch)\"" : "class=\"paused\"", x, TOP,
			x_of(d, begin_of(r, i)) - x, BOTTOM - TOP,
			is_stalled ? "no server was usable" : "the fill was paused");
	}
}

static bool was_ever(const struct report *r, bool is_stalled)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (is_stalled ? r->buckets[i].is_stalled : r->buckets[i].is_paused)
			return true;
	}
	return false;
}

/* Labels change sides before they would leave the drawing, and the second has a line of its own. */
static void put_mark(const struct drawing *d, double seconds, const char *what, double y)
{
	double x = x_of(d, seconds);
	bool is_late = x > LEFT + PLOT_WIDTH * 0.8;

	if (seconds < d->r->start || x > RIGHT + 1)
		return;
	fprintf(d->to,
		"<path class=\"mark\" d=\"M%.1f %.0fV%.0f\"/>"
		"<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">%s %s</text>\n",
		x, y - 10, BOTTOM, is_late ? x - 6 : x + 6, y, is_late ? "end" : "start",
		what, chart_duration(seconds).text);
}

/* What browsers show under the pointer. */
static void put_bucket_text(FILE *to, const struct report_bucket *b)
{
	fprintf(to, "%s for reads, %s hot pack, %s ahead, %s fill",
		chart_bytes(b->demand_bytes).text, chart_bytes(b->hot_bytes).text,
		chart_bytes(b->ahead_bytes).text, chart_bytes(b->fill_bytes).text);
	fprintf(to, "; %s on the wire, %llu requests", chart_bytes(b->wire_bytes).text,
		(unsigned long long)b->n_requests);
	if (b->n_waiting_max)
		fprintf(to, "; %llu reads waiting at a time",
			(unsigned long long)b->n_waiting_max);
	if (b->n_waited)
		fprintf(to, "; %llu answered after a wait of %s at most",
			(unsigned long long)b->n_waited,
			chart_duration(b->wait_ms_max / 1000).text);
}

static void put_hits(const struct drawing *d)
{
	const struct report *r = d->r;

	for (unsigned i = 0; i < r->n; i++) {
		double begin = begin_of(r, i), end = begin_of(r, i + 1);
		double x = x_of(d, begin);

		fprintf(d->to,
			"<rect class=\"hit\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" "
			"height=\"%.0f\"><title>%.6g s to %.6g s: ",
			x, TOP, x_of(d, end) - x, BOTTOM - TOP, begin, end);
		put_bucket_text(d->to, &r->buckets[i]);
		fputs("</title></rect>\n", d->to);
	}
}

/* -- the whole ---------------------------------------------------------------------------- */

static void put_line(const struct drawing *d, double y, const char *class)
{
	fprintf(d->to, "<text class=\"%s\" x=\"%.0f\" y=\"%.0f\">", class, LEFT - 60, y);
}

static void put_head(const struct drawing *d)
{
	const json_t *s = d->r->status;

	put_line(d, 38, "title");
	report_put_text(d->to, status_text(s, "name"));
	fputs(": how the image came</text>\n", d->to);
	put_line(d, 62, "muted");
	report_put_text(d->to, status_text(s, "image.url"));
	fprintf(d->to, " &#183; %s &#183; mode ",
		chart_bytes((double)status_number(s, "image.bytes")).text);
	report_put_text(d->to, status_text(s, "mode"));
	fputs("</text>\n", d->to);
	put_line(d, 82, "muted");
	report_print_time(d->to, d->r);
	fputs("</text>\n", d->to);
	put_line(d, 102, "muted");
	report_print_effort(d->to, d->r);
	fputs("</text>\n", d->to);
}

static void put_foot(const struct drawing *d)
{
	const struct report *r = d->r;
	double strip = (double)status_number(r->status, "image.bytes") / REPORT_STRIPS;

	put_line(d, HEIGHT - 36, "muted");
	fprintf(d->to,
		"One column is %s: bytes in it are added up, of waits it is the highest. "
		"The image is shown in %u parts of %s.",
		chart_duration(r->bucket_seconds).text, REPORT_STRIPS,
		chart_bytes(strip).text);
	fputs("</text>\n", d->to);
	if (!was_ever(r, true) && !was_ever(r, false))
		return;
	put_line(d, HEIGHT - 18, "muted");
	if (was_ever(r, true))
		fputs("Hatched: no server was usable. ", d->to);
	if (was_ever(r, false))
		fputs("Grey: the fill was paused.", d->to);
	fputs("</text>\n", d->to);
}

static void put_body(const struct drawing *d)
{
	put_background(d, false);
	put_background(d, true);
	put_time_axis(d);
	put_bytes(d);
	put_waits(d);
	put_image(d);
	put_mark(d, status_real(d->r->status, "seconds.ready"), "ready", 126);
	put_mark(d, status_real(d->r->status, "seconds.resident"), "resident", 140);
	put_hits(d);
}

void report_print_svg(FILE *to, const struct report *r, bool as_part)
{
	const struct drawing d = {
		.to = to,
		.r = r,
		.end = begin_of(r, r->n) > r->start + 1 ? begin_of(r, r->n)
							: r->start + 1,
	};

	if (!as_part)
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"hydroot\" width=\"%d\" "
		"height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" "
		"aria-labelledby=\"hydroot-title hydroot-desc\">\n"
		"<title id=\"hydroot-title\">",
		WIDTH, HEIGHT, WIDTH, HEIGHT);
	report_put_text(to, status_text(r->status, "name"));
	fputs(": what was fetched when, and what waited</title>\n"
	      "<desc id=\"hydroot-desc\">",
	      to);
	report_print_time(to, r);
	fputs(" ", to);
	report_print_effort(to, r);
	fputs("</desc>\n", to);
	print_style(to);
	fputs("<defs><pattern id=\"hatch\" width=\"8\" height=\"8\" "
	      "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
	      "<path class=\"stalled\" d=\"M0 0V8\"/></pattern></defs>\n",
	      to);
	fprintf(to, "<rect class=\"bg\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
	put_head(&d);
	if (r->n)
		put_body(&d);
	put_foot(&d);
	fputs("</svg>\n", to);
}
