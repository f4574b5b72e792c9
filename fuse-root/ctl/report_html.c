/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_html.c - a page with the drawing and all of its numbers; what both say in words
 *
 * Well-formed XML as well as HTML, without script and without anything from elsewhere.
 */
#include "ctl/chart.h"
#include "ctl/peer.h"
#include "ctl/report.h"

void report_put_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			fputs("&lt;", to);
		else if (c == '>')
			fputs("&gt;", to);
		else if (c == '&')
			fputs("&amp;", to);
		else if (c == '"')
			fputs("&quot;", to);
		else
			fputc(c < 0x20 || c == 0x7f ? '?' : c, to);
	}
}

void report_print_time(FILE *to, const struct report *r)
{
	const json_t *s = r->status;
	double ready = status_real(s, "seconds.ready");
	double resident = status_real(s, "seconds.resident");
	double chunks = (double)status_number(s, "image.chunks");

	if (ready >= 0)
		fprintf(to, "Ready after %s", chart_duration(ready).text);
	else
		fputs("Not ready", to);
	if (resident >= 0)
		fprintf(to, ", resident after %s", chart_duration(resident).text);
	else if (chunks > 0)
		fprintf(to, ", %.0f%% resident so far",
			(double)(long)((double)status_number(s, "resident.chunks") /
				       chunks * 100));
	if (json_is_true(json_object_get(json_object_get(s, "handover"), "done"))) {
		fputs(", handed over to the kernel by ", to);
		report_put_text(to, status_text(s, "handover.method"));
	}
	fputs(".", to);
}

void report_print_effort(FILE *to, const struct report *r)
{
	const json_t *s = r->status;
	unsigned long long n_waited =
		status_number(json_object_get(s, "demand"), "wait_seconds.count");

	fprintf(to, "%s came in %llu requests; ",
		chart_bytes((double)status_number(s, "fetched.wire_bytes")).text,
		(unsigned long long)status_number(s, "fetched.requests"));
	if (n_waited == 0)
		fputs("no read waited.", to);
	else
		fprintf(to,
			"%llu reads waited, half of them %s at most, 99%% of them %s.",
			n_waited,
			chart_duration(status_real(s, "demand.wait_ms_p50") / 1000).text,
			chart_duration(status_real(s, "demand.wait_ms_p99") / 1000).text);
}

/* -- the page ----------------------------------------------------------------------------- */

static void put_style(FILE *to)
{
	fputs("<style>\n"
	      "body{margin:2rem auto;max-width:1000px;padding:0 1rem;background:#fff;"
	      "color:#1b1f24;font:15px/1.5 system-ui,-apple-system,'Segoe UI',"
	      "'DejaVu Sans',sans-serif}\n"
	      "svg{max-width:100%;height:auto}\n"
	      "table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
	      "caption,h2{text-align:left;font-size:1.1rem;font-weight:600;margin:.5rem 0}"
	      "th,td{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top;"
	      "border-bottom:1px solid #e1e5ea;overflow-wrap:anywhere}"
	      "th{font-weight:500;color:#59636e}\n"
	      ".n td{text-align:right;font-variant-numeric:tabular-nums}"
	      ".n th{text-align:right}\n"
	      "@media (prefers-color-scheme:dark){body{background:#14181d;color:#e8ecf0}"
	      "th,td{border-color:#2a313a}th{color:#9aa6b2}}\n"
	      "</style>\n",
	      to);
}

static void put_row(FILE *to, const char *what, const char *value)
{
	if (!value[0])
		return;
	fprintf(to, "<tr><th scope=\"row\">%s</th><td>", what);
	report_put_text(to, value);
	fputs("</td></tr>\n", to);
}

static void put_bytes_row(FILE *to, const char *what, const json_t *s, const char *path)
{
	put_row(to, what, chart_bytes((double)status_number(s, path)).text);
}

static void put_figures(FILE *to, const json_t *s)
{
	fputs("<table><caption>Figures</caption><tbody>\n", to);
	put_row(to, "State", status_text(s, "state"));
	put_row(to, "Reason", status_text(s, "reason"));
	put_row(to, "Error", status_text(s, "error"));
	put_row(to, "Image", status_text(s, "image.url"));
	put_row(to, "Digest", status_text(s, "image.digest"));
	put_bytes_row(to, "Size", s, "image.bytes");
	put_row(to, "Device", status_text(s, "device"));
	put_bytes_row(to, "Fetched for reads that waited", s, "fetched.demand_bytes");
	put_bytes_row(to, "Fetched by the hot pack", s, "fetched.hot_bytes");
	put_bytes_row(to, "Fetched ahead of readers", s, "fetched.ahead_bytes");
	put_bytes_row(to, "Fetched in the background", s, "fetched.fill_bytes");
	put_bytes_row(to, "On the wire", s, "fetched.wire_bytes");
	put_row(to, "Store", status_text(s, "store.kind"));
	put_bytes_row(to, "Store holds", s, "store.used_bytes");
	fputs("</tbody></table>\n", to);
}

static void put_servers(FILE *to, const json_t *s)
{
	const json_t *server;
	size_t i;

	fputs("<table><caption>Servers</caption><thead><tr><th scope=\"col\">URL</th>"
	      "<th scope=\"col\">State</th><th scope=\"col\">Errors</th>"
	      "<th scope=\"col\">Last error</th></tr></thead><tbody>\n",
	      to);
	json_array_foreach(json_object_get(s, "servers"), i, server)
	{
		fputs("<tr><td>", to);
		report_put_text(to, status_text(server, "url"));
		fputs("</td><td>", to);
		report_put_text(to, status_text(server, "state"));
		fprintf(to, "</td><td>%llu</td><td>",
			(unsigned long long)status_number(server, "errors"));
		report_put_text(to, status_text(server, "last_error"));
		fputs("</td></tr>\n", to);
	}
	fputs("</tbody></table>\n", to);
}

static void put_warnings(FILE *to, const json_t *s)
{
	const json_t *warnings = json_object_get(s, "warnings"), *warning;
	size_t i;

	if (json_array_size(warnings) == 0)
		return;
	fputs("<h2>Warnings</h2><ul>\n", to);
	json_array_foreach(warnings, i, warning)
	{
		const char *text = json_string_value(warning);

		fputs("<li>", to);
		report_put_text(to, text ? text : "");
		fputs("</li>\n", to);
	}
	fputs("</ul>\n", to);
}

static void put_number_row(FILE *to, const struct report *r, unsigned i)
{
	const struct report_bucket *b = &r->buckets[i];

	fprintf(to,
		"<tr><td>%.3f</td><td>%.0f</td><td>%.0f</td><td>%.0f</td><td>%.0f</td><td>%.0f</td>"
		"<td>%llu</td><td>%llu</td><td>%llu</td><td>%.1f</td></tr>\n",
		r->start + i * r->bucket_seconds, b->demand_bytes, b->hot_bytes,
		b->ahead_bytes, b->fill_bytes, b->wire_bytes,
		(unsigned long long)b->n_requests, (unsigned long long)b->n_waiting_max,
		(unsigned long long)b->n_waited, b->wait_ms_max);
}

/* Columns in which nothing happened would fill pages. */
static bool is_empty(const struct report_bucket *b)
{
	return b->wire_bytes + b->demand_bytes + b->hot_bytes + b->ahead_bytes +
			       b->fill_bytes <=
		       0 &&
	       b->n_requests + b->n_waiting_max + b->n_waited == 0;
}

static void put_numbers(FILE *to, const struct report *r)
{
	fprintf(to,
		"<details><summary>The numbers: a row each %s in which something "
		"happened</summary>\n<table class=\"n\"><thead><tr>",
		chart_duration(r->bucket_seconds).text);
	fputs("<th scope=\"col\">Second</th><th scope=\"col\">For reads, B</th>"
	      "<th scope=\"col\">Hot pack, B</th><th scope=\"col\">Ahead, B</th>"
	      "<th scope=\"col\">Fill, B</th>"
	      "<th scope=\"col\">Wire, B</th><th scope=\"col\">Requests</th>"
	      "<th scope=\"col\">Waiting at a time</th>"
	      "<th scope=\"col\">Answered after a wait</th>"
	      "<th scope=\"col\">Longest, ms</th></tr></thead><tbody>\n",
	      to);
	for (unsigned i = 0; i < r->n; i++) {
		if (!is_empty(&r->buckets[i]))
			put_number_row(to, r, i);
	}
	fputs("</tbody></table></details>\n", to);
}

void report_print_html(FILE *to, const struct report *r)
{
	fputs("<!DOCTYPE html>\n"
	      "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
	      "<meta charset=\"utf-8\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, "
	      "initial-scale=1\"/>\n"
	      "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>hydroot: ",
	      to);
	report_put_text(to, status_text(r->status, "name"));
	fputs("</title>\n", to);
	put_style(to);
	fputs("</head>\n<body>\n<main>\n", to);
	report_print_svg(to, r, true);
	put_figures(to, r->status);
	put_servers(to, r->status);
	put_warnings(to, r->status);
	put_numbers(to, r);
	fputs("</main>\n</body>\n</html>\n", to);
}
