/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - what works and what is missing, for people and for programs
 */
#include "kmod-hints/report.h"

#include <errno.h>
#include <jansson.h>

static const char *const labels[N_FOR] = {"hybrid", "full", "stream", "handover dm",
					  "handover loop"};

static bool is_missing(const struct report *report, size_t i)
{
	return report->answers[i] == ANSWER_NO &&
	       report->list->rows[i].need != NEED_EXTRA;
}

static bool is_unknown(const struct report *report, size_t i)
{
	return report->answers[i] == ANSWER_UNKNOWN &&
	       report->list->rows[i].need == NEED_REQUIRED;
}

int report_make(struct report *report, const struct list *list,
		const struct kernel *kernel)
{
	*report = (struct report){.kernel = kernel, .list = list};
	report->works = (1u << N_FOR) - 1;
	report->answers = calloc(list->n + 1, sizeof *report->answers);
	if (!report->answers)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++) {
		const struct row *row = &list->rows[i];

		report->answers[i] = row_judge(row, kernel);
		if (report->answers[i] == ANSWER_NO && row->need == NEED_REQUIRED)
			report->works &= ~row->modes;
	}
	/* only hybrid hands over */
	if (!(report->works & FOR_HYBRID))
		report->works &= ~(unsigned)(FOR_DM | FOR_LOOP);
	return 0;
}

void report_fini(struct report *report)
{
	free(report->answers);
	*report = (struct report){0};
}

/* What exactly is not there, in words. */
static void describe(const struct report *report, const struct row *row, char *ret,
		     size_t ret_bytes)
{
	const struct kernel *k = report->kernel;

	if (row->tests && strncmp(row->tests, "value:", strlen("value:")) == 0)
		snprintf(ret, ret_bytes, "set too low");
	else if (!row->config)
		snprintf(ret, ret_bytes, "not in this kernel");
	else if (names_has(&k->config_m, row->config))
		snprintf(ret, ret_bytes, "CONFIG_%s=m, but not below lib/modules/%s",
			 row->config, k->version);
	else if (k->has_config)
		snprintf(ret, ret_bytes, "CONFIG_%s is not set", row->config);
	else
		snprintf(ret, ret_bytes, "no such module, and not built in");
}

/* What to do about it: the kernel's side first, then what the list says. */
static void advise(const struct report *report, const struct row *row, char *ret,
		   size_t ret_bytes)
{
	const char * or = row->remedy[0] ? ", or " : "";

	if (!row->config)
		snprintf(ret, ret_bytes, "%s", row->remedy);
	else if (names_has(&report->kernel->config_m, row->config))
		snprintf(ret, ret_bytes, "install this kernel's modules%s%s", or,
			 row->remedy);
	else
		snprintf(ret, ret_bytes, "build the kernel with CONFIG_%s=m%s%s",
			 row->config, or, row->remedy);
}

static void print_modes(unsigned modes)
{
	const char *comma = "";

	for (unsigned i = 0; i < N_FOR; i++) {
		if (modes & 1u << i) {
			printf("%s%s", comma, labels[i]);
			comma = ", ";
		}
	}
}

static void print_missing(const struct report *report, const struct row *row)
{
	char what[256], remedy[512];

	describe(report, row, what, sizeof what);
	advise(report, row, remedy, sizeof remedy);
	printf("%s: %s: %s%s (", row->subject, what,
	       row->need == NEED_REQUIRED ? "" : "not required, but wanted: ",
	       row->reason);
	print_modes(row->modes);
	printf("): %s\n", remedy);
}

static void print_unknown(const struct report *report)
{
	const char *comma = "unknown: ";

	for (size_t i = 0; i < report->list->n; i++) {
		if (is_unknown(report, i)) {
			printf("%s%s", comma, report->list->rows[i].subject);
			comma = ", ";
		}
	}
	if (comma[0] == ',')
		printf(": taken as there: no boot/config-%s tells\n",
		       report->kernel->version);
}

void report_print(const struct report *report)
{
	printf("kernel %s\n", report->kernel->version);
	for (unsigned i = 0; i < N_FOR; i++)
		printf("%-14s %s\n", labels[i],
		       report->works & 1u << i ? "works" : "does not work");
	for (size_t i = 0; i < report->list->n; i++) {
		if (is_missing(report, i))
			print_missing(report, &report->list->rows[i]);
	}
	print_unknown(report);
}

static json_t *modes_to_json(unsigned modes)
{
	json_t *array = json_array();

	for (unsigned i = 0; array && i < N_FOR; i++) {
		if (modes & 1u << i)
			json_array_append_new(array, json_string(for_names[i]));
	}
	return array;
}

static json_t *missing_to_json(const struct report *report, const struct row *row)
{
	char what[256], remedy[512];

	describe(report, row, what, sizeof what);
	advise(report, row, remedy, sizeof remedy);
	return json_pack("{s:s, s:b, s:o, s:s, s:s, s:s}", "subject", row->subject,
			 "required", row->need == NEED_REQUIRED, "modes",
			 modes_to_json(row->modes), "missing", what, "reason",
			 row->reason, "remedy", remedy);
}

int report_print_json(const struct report *report)
{
	json_t *missing = json_array(), *unknown = json_array();
	unsigned works = report->works;
	json_t *all;

	for (size_t i = 0; i < report->list->n; i++) {
		const struct row *row = &report->list->rows[i];

		if (is_missing(report, i))
			json_array_append_new(missing, missing_to_json(report, row));
		else if (is_unknown(report, i))
			json_array_append_new(unknown, json_string(row->subject));
	}
	all = json_pack(
		"{s:i, s:s, s:b, s:{s:b, s:b, s:b}, s:{s:b, s:b}, s:o, s:o}", "schema", 1,
		"kernel", report->kernel->version, "running", report->kernel->is_running,
		"modes", "hybrid", !!(works & FOR_HYBRID), "full", !!(works & FOR_FULL),
		"stream", !!(works & FOR_STREAM), "handover", "dm", !!(works & FOR_DM),
		"loop", !!(works & FOR_LOOP), "missing", missing, "unknown", unknown);
	if (!all)
		return -ENOMEM;
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
	return 0;
}
