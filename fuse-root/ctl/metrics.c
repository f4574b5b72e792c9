/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c - see metrics.h
 *
 * Bytes and seconds, no other units; counters end in _total.  They begin anew with each
 * attach, as counters may.  Label values are texts that servers and command lines had a
 * say in: they are escaped.
 */
#include "ctl/metrics.h"

#include <inttypes.h>

#include "ctl/peer.h"
#include "face/status.h"

struct page {
	FILE *to;
	const struct metrics_status *list;
	unsigned n;
};

static void begin(const struct page *p, const char *name, const char *type,
		  const char *help)
{
	fprintf(p->to, "# HELP hydroot_%s %s\n# TYPE hydroot_%s %s\n", name, help, name,
		type);
}

/* Backslash, quote and newline have escapes; other control characters have none: '?'. */
static void put_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\\' || c == '"')
			fprintf(to, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", to);
		else
			fputc(c < 0x20 || c == 0x7f ? '?' : c, to);
	}
}

static void put_label(FILE *to, const char *label, const char *value)
{
	fprintf(to, ",%s=\"", label);
	put_escaped(to, value);
	fputc('"', to);
}

/* NAME{name="…": further labels may follow, then end_labels. */
static void begin_sample(const struct page *p, const char *name, const json_t *status)
{
	fprintf(p->to, "hydroot_%s{name=\"", name);
	put_escaped(p->to, status_text(status, "name"));
	fputc('"', p->to);
}

static void end_number(const struct page *p, uint64_t n)
{
	fprintf(p->to, "} %" PRIu64 "\n", n);
}

static void end_real(const struct page *p, double x)
{
	fprintf(p->to, "} %.9g\n", x);
}

/* One whole number of each status. */
static void print_number(const struct page *p, const char *name, const char *type,
			 const char *help, const char *path)
{
	begin(p, name, type, help);
	for (unsigned i = 0; i < p->n; i++) {
		begin_sample(p, name, p->list[i].status);
		end_number(p, status_number(p->list[i].status, path));
	}
}

/* One that may not be known. */
static void print_real(const struct page *p, const char *name, const char *help,
		       const char *path)
{
	begin(p, name, "gauge", help);
	for (unsigned i = 0; i < p->n; i++) {
		double x = status_real(p->list[i].status, path);

		if (x < 0)
			continue;
		begin_sample(p, name, p->list[i].status);
		end_real(p, x);
	}
}

static void print_info(const struct page *p)
{
	begin(p, "info", "gauge", "What is attached; always 1.");
	for (unsigned i = 0; i < p->n; i++) {
		const json_t *s = p->list[i].status;

		begin_sample(p, "info", s);
		put_label(p->to, "mode", status_text(s, "mode"));
		put_label(p->to, "device", status_text(s, "device"));
		put_label(p->to, "url", status_text(s, "image.url"));
		put_label(p->to, "digest", status_text(s, "image.digest"));
		put_label(p->to, "store", status_text(s, "store.kind"));
		end_number(p, 1);
	}
}

static void print_up(const struct page *p)
{
	begin(p, "daemon_up", "gauge",
	      "Whether a daemon answers; it ends when it has handed over.");
	for (unsigned i = 0; i < p->n; i++) {
		begin_sample(p, "daemon_up", p->list[i].status);
		end_number(p, p->list[i].is_live);
	}
}

static void print_state(const struct page *p)
{
	begin(p, "state", "gauge", "1 for the state it is in, 0 for the others.");
	for (unsigned i = 0; i < p->n; i++) {
		const json_t *s = p->list[i].status;

		for (unsigned state = STATE_ATTACHING; state <= STATE_FAILED; state++) {
			const char *name = attach_state_name(state);

			begin_sample(p, "state", s);
			put_label(p->to, "state", name);
			end_number(p, status_is(s, "state", name));
		}
	}
}

static void print_fetched(const struct page *p)
{
	static const struct {
		const char *class, *path;
	} classes[] = {
		{"demand", "fetched.demand_bytes"},
		{"hot", "fetched.hot_bytes"},
		{"ahead", "fetched.ahead_bytes"},
		{"fill", "fetched.fill_bytes"},
	};

	begin(p, "fetched_bytes_total", "counter",
	      "Compressed bytes of the image that were fetched, by what they were for.");
	for (unsigned i = 0; i < p->n; i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(classes); k++) {
			begin_sample(p, "fetched_bytes_total", p->list[i].status);
			put_label(p->to, "class", classes[k].class);
			end_number(p, status_number(p->list[i].status, classes[k].path));
		}
	}
}

static void print_bucket(const struct page *p, const json_t *status, const char *le,
			 json_int_t n)
{
	begin_sample(p, "demand_wait_seconds_bucket", status);
	put_label(p->to, "le", le);
	end_number(p, (uint64_t)n);
}

static void print_waits_of(const struct page *p, const json_t *status)
{
	const json_t *h =
		json_object_get(json_object_get(status, "demand"), "wait_seconds");
	json_int_t n = json_integer_value(json_object_get(h, "count"));
	const json_t *edge;
	char le[32];
	size_t i;

	if (!h)
		return;
	json_array_foreach(json_object_get(h, "buckets"), i, edge)
	{
		snprintf(le, sizeof le, "%.9g",
			 json_number_value(json_object_get(edge, "le")));
		print_bucket(p, status, le,
			     json_integer_value(json_object_get(edge, "count")));
	}
	print_bucket(p, status, "+Inf", n);
	begin_sample(p, "demand_wait_seconds_sum", status);
	end_real(p, json_number_value(json_object_get(h, "sum")));
	begin_sample(p, "demand_wait_seconds_count", status);
	end_number(p, (uint64_t)n);
}

static void print_waits(const struct page *p)
{
	begin(p, "demand_wait_seconds", "histogram",
	      "How long reads waited for what was not there yet.");
	for (unsigned i = 0; i < p->n; i++)
		print_waits_of(p, p->list[i].status);
}

static void print_server_samples(const struct page *p, const char *name,
				 void (*end)(const struct page *p, const json_t *server))
{
	for (unsigned i = 0; i < p->n; i++) {
		const json_t *s = p->list[i].status, *server;
		size_t k;

		json_array_foreach(json_object_get(s, "servers"), k, server)
		{
			char index[24];

			/* Without their passwords two URLs may look the same. */
			snprintf(index, sizeof index, "%zu", k);
			begin_sample(p, name, s);
			put_label(p->to, "server", index);
			put_label(p->to, "url", status_text(server, "url"));
			end(p, server);
		}
	}
}

/* One that was not asked yet is not known to be away. */
static void end_server_up(const struct page *p, const json_t *server)
{
	end_number(p, status_is(server, "state", "ok") ||
			      status_is(server, "state", "unused"));
}

static void end_server_errors(const struct page *p, const json_t *server)
{
	end_number(p, status_number(server, "errors"));
}

static void print_servers(const struct page *p)
{
	begin(p, "server_up", "gauge", "0 while the server is left alone after errors.");
	print_server_samples(p, "server_up", end_server_up);
	begin(p, "server_errors_total", "counter", "Errors of the server.");
	print_server_samples(p, "server_errors_total", end_server_errors);
}

static void print_handover(const struct page *p)
{
	begin(p, "handover_done", "gauge", "1 when the device needs no daemon any more.");
	for (unsigned i = 0; i < p->n; i++) {
		const json_t *h = json_object_get(p->list[i].status, "handover");

		begin_sample(p, "handover_done", p->list[i].status);
		end_number(p, json_is_true(json_object_get(h, "done")));
	}
}

static void print_warnings(const struct page *p)
{
	begin(p, "warnings", "gauge", "Warnings about the configuration.");
	for (unsigned i = 0; i < p->n; i++) {
		begin_sample(p, "warnings", p->list[i].status);
		end_number(p, json_array_size(
				      json_object_get(p->list[i].status, "warnings")));
	}
}

static void print_image(const struct page *p)
{
	print_number(p, "image_bytes", "gauge", "Size of the image.", "image.bytes");
	print_number(p, "image_chunks", "gauge", "Chunks of the image.", "image.chunks");
	print_number(p, "resident_bytes", "gauge", "Bytes of the image that are there.",
		     "resident.bytes");
	print_number(p, "resident_chunks", "gauge", "Chunks that are wholly there.",
		     "resident.chunks");
	print_real(p, "eta_seconds", "Seconds until all is there, where that is known.",
		   "eta_seconds");
	print_real(
		p, "ready_seconds",
		"When it was ready: since the kernel's start in a boot, else since the "
		"attach.",
		"seconds.ready");
	print_real(p, "resident_seconds", "When all was there, on the same clock.",
		   "seconds.resident");
}

static void print_network(const struct page *p)
{
	print_fetched(p);
	print_number(p, "wire_bytes_total", "counter",
		     "Bytes that servers sent, repetitions included.",
		     "fetched.wire_bytes");
	print_number(p, "requests_total", "counter", "Requests to servers.",
		     "fetched.requests");
	print_number(p, "fill_rate_limit_bytes", "gauge",
		     "Cap of the background fill in bytes per second; 0: none.",
		     "settings.rate_bytes");
	print_servers(p);
	print_number(p, "net_restarts_total", "counter",
		     "How often the network process was started again.", "net_restarts");
	print_number(p, "serve_restarts_total", "counter",
		     "How often the serving process was started again.",
		     "restarts.serve");
}

static void print_demand(const struct page *p)
{
	print_number(p, "demand_chunks_total", "counter",
		     "Chunks that were read before they were there.", "demand.chunks");
	print_number(p, "demand_waiting_reads", "gauge", "Reads that wait now.",
		     "demand.waiting");
	print_waits(p);
}

static void print_store(const struct page *p)
{
	print_number(p, "store_used_bytes", "gauge", "What the store takes.",
		     "store.used_bytes");
	print_number(p, "store_limit_bytes", "gauge", "What it may take; 0: no limit.",
		     "store.limit_bytes");
}

void metrics_print(FILE *to, const struct metrics_status *list, unsigned n)
{
	const struct page p = {.to = to, .list = list, .n = n};

	begin(&p, "attachments", "gauge", "Attachments on this node.");
	fprintf(to, "hydroot_attachments %u\n", n);
	print_info(&p);
	print_up(&p);
	print_state(&p);
	print_image(&p);
	print_network(&p);
	print_demand(&p);
	print_store(&p);
	print_handover(&p);
	print_warnings(&p);
}
