/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_print.c - the status as a compact block of text, one subject a line
 *
 * The text is for people and may change; programs take --json.
 */
#include "ctl/status_print.h"

#include "ctl/peer.h"
#include "face/status_bar.h"

struct bytes_text {
	char text[24];
};

/* 1536 -> "1.5 KiB" */
static struct bytes_text bytes_shown(uint64_t n)
{
	static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	struct bytes_text ret;
	double x = (double)n;
	unsigned unit = 0;

	while (x >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		x /= 1024;
		unit++;
	}
	snprintf(ret.text, sizeof ret.text, unit ? "%.1f %s" : "%.0f %s", x, units[unit]);
	return ret;
}

/* Servers had a say in some texts: none of them moves the cursor. */
static void put_text(FILE *to, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, to);
}

#define BYTES(status, path) bytes_shown(status_number(status, path)).text

static void print_head(FILE *to, const json_t *s)
{
	const char *reason = status_text(s, "reason");

	fprintf(to, "%s: %s", status_text(s, "name"), status_text(s, "state"));
	if (reason[0]) {
		fputs(", ", to);
		put_text(to, reason);
	}
	fprintf(to, " (mode %s)\n", status_text(s, "mode"));
}

static void print_image(FILE *to, const json_t *s)
{
	fputs("  image     ", to);
	put_text(to, status_text(s, "image.url"));
	fputc('\n', to);
	if (status_number(s, "image.bytes"))
		fprintf(to, "            %s, %s\n", BYTES(s, "image.bytes"),
			status_text(s, "image.digest"));
}

static void print_device(FILE *to, const json_t *s)
{
	const char *target = status_text(s, "block_device");

	if (!status_text(s, "device")[0])
		return;
	fprintf(to, "  device    %s", status_text(s, "device"));
	if (target[0])
		fprintf(to, " -> %s", target);
	if (json_is_true(json_object_get(s, "read_only")))
		fprintf(to, ", read-only");
	if (json_is_true(json_object_get(json_object_get(s, "handover"), "done")))
		fprintf(to, ", handed over (%s)", status_text(s, "handover.method"));
	fputc('\n', to);
}

static void print_resident(FILE *to, const json_t *s)
{
	uint64_t have = status_number(s, "resident.chunks"),
		 all = status_number(s, "image.chunks");
	double eta = status_real(s, "eta_seconds");

	fprintf(to, "  resident  %u%%, %s, %llu of %llu chunks", status_percent(s),
		BYTES(s, "resident.bytes"), (unsigned long long)have,
		(unsigned long long)all);
	if (eta >= 0 && have < all)
		fprintf(to, ", %.0f s to go", eta);
	fputc('\n', to);
}

static void print_fetched(FILE *to, const json_t *s)
{
	fprintf(to,
		"  fetched   %s demand, %s hot, %s fill; %s on the wire, %llu requests\n",
		BYTES(s, "fetched.demand_bytes"), BYTES(s, "fetched.hot_bytes"),
		BYTES(s, "fetched.fill_bytes"), BYTES(s, "fetched.wire_bytes"),
		(unsigned long long)status_number(s, "fetched.requests"));
}

static void print_demand(FILE *to, const json_t *s)
{
	uint64_t chunks = status_number(s, "demand.chunks");
	uint64_t waiting = status_number(s, "demand.waiting");

	if (chunks == 0 && waiting == 0)
		return;
	fprintf(to, "  demand    %llu chunks, wait %.1f ms (median), %.1f ms (99%%)",
		(unsigned long long)chunks, status_real(s, "demand.wait_ms_p50"),
		status_real(s, "demand.wait_ms_p99"));
	if (waiting)
		fprintf(to, ", %llu waiting now", (unsigned long long)waiting);
	fputc('\n', to);
}

static void print_servers(FILE *to, const json_t *s)
{
	const json_t *servers = json_object_get(s, "servers"), *server;
	size_t i;

	json_array_foreach(servers, i, server)
	{
		fprintf(to, "  server    %s: %s", status_text(server, "url"),
			status_text(server, "state"));
		if (status_text(server, "address")[0])
			fprintf(to, ", %s", status_text(server, "address"));
		if (status_number(server, "errors")) {
			fprintf(to, ", %llu errors, last: ",
				(unsigned long long)status_number(server, "errors"));
			put_text(to, status_text(server, "last_error"));
		}
		fputc('\n', to);
	}
}

static void print_store(FILE *to, const json_t *s)
{
	uint64_t limit = status_number(s, "store.limit_bytes");

	if (!status_text(s, "store.kind")[0])
		return;
	fprintf(to, "  store     %s", status_text(s, "store.kind"));
	if (status_text(s, "store.device")[0])
		fprintf(to, " %s", status_text(s, "store.device"));
	fprintf(to, ", %s used", BYTES(s, "store.used_bytes"));
	if (limit)
		fprintf(to, " of %s", bytes_shown(limit).text);
	fputc('\n', to);
}

static void print_settings(FILE *to, const json_t *s)
{
	uint64_t rate = status_number(s, "settings.rate_bytes");

	if (rate && !status_is_final(s))
		fprintf(to, "  rate      the fill takes %s a second at most\n",
			bytes_shown(rate).text);
}

static void print_seconds(FILE *to, const json_t *s)
{
	double ready = status_real(s, "seconds.ready");
	double resident = status_real(s, "seconds.resident");

	if (ready < 0)
		return;
	fprintf(to, "  time      ready after %.1f s", ready);
	if (resident >= 0)
		fprintf(to, ", resident after %.1f s", resident);
	fputc('\n', to);
}

static void print_troubles(FILE *to, const json_t *s)
{
	const json_t *warnings = json_object_get(s, "warnings"), *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
	{
		fputs("  warning   ", to);
		put_text(to, json_string_value(warning));
		fputc('\n', to);
	}
	if (status_text(s, "error")[0]) {
		fputs("  error     ", to);
		put_text(to, status_text(s, "error"));
		fputc('\n', to);
	}
}

void status_print_line(FILE *to, const json_t *s)
{
	double eta = status_real(s, "eta_seconds");

	fprintf(to, "%s: %s, %u%%, %s of %s", status_text(s, "name"),
		status_text(s, "state"), status_percent(s), BYTES(s, "resident.bytes"),
		BYTES(s, "image.bytes"));
	if (eta > 0)
		fprintf(to, ", %.0f s to go", eta);
	if (status_text(s, "reason")[0]) {
		fputs(", ", to);
		put_text(to, status_text(s, "reason"));
	} else if (status_number(s, "demand.waiting")) {
		fprintf(to, ", %llu reads wait",
			(unsigned long long)status_number(s, "demand.waiting"));
	}
	fputc('\n', to);
}

void status_print_bar(FILE *to, const json_t *s, unsigned width)
{
	unsigned n_full = status_percent(s) * width / 100;

	fputs("  ", to);
	for (unsigned i = 0; i < width; i++)
		fputc(i < n_full ? '#' : '.', to);
	fprintf(to, " %u%%\n", status_percent(s));
}

void status_print(FILE *to, const json_t *s)
{
	print_head(to, s);
	print_image(to, s);
	print_device(to, s);
	print_resident(to, s);
	print_fetched(to, s);
	print_demand(to, s);
	print_servers(to, s);
	print_store(to, s);
	print_settings(to, s);
	print_seconds(to, s);
	print_troubles(to, s);
}
