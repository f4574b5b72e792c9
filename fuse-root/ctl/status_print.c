/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_print.c - the status as a compact block of text, one subject a line
 *
 * The text is for people and may change; programs take --json.
 */
#include "ctl/status_print.h"

#include "ctl/peer.h"

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
static void put_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

#define BYTES(status, path) bytes_shown(status_number(status, path)).text

static void print_head(const json_t *s)
{
	const char *reason = status_text(s, "reason");

	printf("%s: %s", status_text(s, "name"), status_text(s, "state"));
	if (reason[0]) {
		fputs(", ", stdout);
		put_text(reason);
	}
	printf(" (mode %s)\n", status_text(s, "mode"));
}

static void print_image(const json_t *s)
{
	printf("  image     %s\n", status_text(s, "image.url"));
	printf("            %s, %s\n", BYTES(s, "image.bytes"),
	       status_text(s, "image.digest"));
}

static void print_device(const json_t *s)
{
	const char *target = status_text(s, "block_device");

	if (!status_text(s, "device")[0])
		return;
	printf("  device    %s", status_text(s, "device"));
	if (target[0])
		printf(" -> %s", target);
	if (json_is_true(json_object_get(s, "read_only")))
		printf(", read-only");
	if (json_is_true(json_object_get(json_object_get(s, "handover"), "done")))
		printf(", handed over (%s)", status_text(s, "handover.method"));
	putchar('\n');
}

static void print_resident(const json_t *s)
{
	uint64_t have = status_number(s, "resident.chunks"),
		 all = status_number(s, "image.chunks");
	double eta = status_real(s, "eta_seconds");

	/* Down, not to the nearest: 100% is all of it. */
	printf("  resident  %u%%, %s, %llu of %llu chunks",
	       all ? (unsigned)((double)have / (double)all * 100) : 0,
	       BYTES(s, "resident.bytes"), (unsigned long long)have,
	       (unsigned long long)all);
	if (eta >= 0 && have < all)
		printf(", %.0f s to go", eta);
	putchar('\n');
}

static void print_fetched(const json_t *s)
{
	printf("  fetched   %s demand, %s hot, %s fill; %s on the wire, %llu requests\n",
	       BYTES(s, "fetched.demand_bytes"), BYTES(s, "fetched.hot_bytes"),
	       BYTES(s, "fetched.fill_bytes"), BYTES(s, "fetched.wire_bytes"),
	       (unsigned long long)status_number(s, "fetched.requests"));
}

static void print_demand(const json_t *s)
{
	uint64_t chunks = status_number(s, "demand.chunks");
	uint64_t waiting = status_number(s, "demand.waiting");

	if (chunks == 0 && waiting == 0)
		return;
	printf("  demand    %llu chunks, wait %.1f ms (median), %.1f ms (99%%)",
	       (unsigned long long)chunks, status_real(s, "demand.wait_ms_p50"),
	       status_real(s, "demand.wait_ms_p99"));
	if (waiting)
		printf(", %llu waiting now", (unsigned long long)waiting);
	putchar('\n');
}

static void print_servers(const json_t *s)
{
	const json_t *servers = json_object_get(s, "servers"), *server;
	size_t i;

	json_array_foreach(servers, i, server)
	{
		printf("  server    %s: %s", status_text(server, "url"),
		       status_text(server, "state"));
		if (status_text(server, "address")[0])
			printf(", %s", status_text(server, "address"));
		if (status_number(server, "errors")) {
			printf(", %llu errors, last: ",
			       (unsigned long long)status_number(server, "errors"));
			put_text(status_text(server, "last_error"));
		}
		putchar('\n');
	}
}

static void print_store(const json_t *s)
{
	uint64_t limit = status_number(s, "store.limit_bytes");

	if (!status_text(s, "store.kind")[0])
		return;
	printf("  store     %s", status_text(s, "store.kind"));
	if (status_text(s, "store.device")[0])
		printf(" %s", status_text(s, "store.device"));
	printf(", %s used", BYTES(s, "store.used_bytes"));
	if (limit)
		printf(" of %s", bytes_shown(limit).text);
	putchar('\n');
}

static void print_seconds(const json_t *s)
{
	double ready = status_real(s, "seconds.ready");
	double resident = status_real(s, "seconds.resident");

	if (ready < 0)
		return;
	printf("  time      ready after %.1f s", ready);
	if (resident >= 0)
		printf(", resident after %.1f s", resident);
	putchar('\n');
}

static void print_troubles(const json_t *s)
{
	const json_t *warnings = json_object_get(s, "warnings"), *warning;
	size_t i;

	json_array_foreach(warnings, i, warning)
	{
		fputs("  warning   ", stdout);
		put_text(json_string_value(warning));
		putchar('\n');
	}
	if (status_text(s, "error")[0]) {
		fputs("  error     ", stdout);
		put_text(status_text(s, "error"));
		putchar('\n');
	}
}

void status_print(const json_t *s)
{
	print_head(s);
	print_image(s);
	print_device(s);
	print_resident(s);
	print_fetched(s);
	print_demand(s);
	print_servers(s);
	print_store(s);
	print_seconds(s);
	print_troubles(s);
}
